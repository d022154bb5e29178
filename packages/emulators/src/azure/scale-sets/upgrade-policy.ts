import { objectOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import { ArmError, invalidParameter } from '../errors.ts';
import { propertiesOf, type Stored } from '../state.ts';
import { isLatest } from './images.ts';
import { reportsHealth } from './members.ts';
import type { RollingPolicy } from './records.ts';

/** https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-configure-rolling-upgrades */
const defaults: RollingPolicy = {
  maxBatchInstancePercent: 20,
  maxUnhealthyInstancePercent: 20,
  maxUnhealthyUpgradedInstancePercent: 20,
  pauseTimeBetweenBatches: 'PT0S',
  prioritizeUnhealthyInstances: false,
  rollbackFailedInstancesOnPolicyBreach: false,
  maxSurge: false,
};

/** What a scale set says of upgrades. */
function upgradePolicyOf(set: Stored): JsonObject {
  return objectOf(propertiesOf(set), 'upgradePolicy') ?? {};
}

export function modeOf(set: Stored): string {
  return textOf(upgradePolicyOf(set), 'mode') ?? 'Manual';
}

/** What a scale set says of upgrades that Azure begins. */
export function automaticPolicyOf(set: Stored): JsonObject {
  return objectOf(upgradePolicyOf(set), 'automaticOSUpgradePolicy') ?? {};
}

/** How a rolling upgrade of a scale set goes about. */
export function rollingPolicyOf(set: Stored, startedBy: 'User' | 'Platform'): RollingPolicy {
  const automatic = automaticPolicyOf(set);
  // Azure's own upgrades follow the policy only when that is asked for, and go back unless that is forbidden.
  const follows = startedBy === 'User' || automatic['useRollingUpgradePolicy'] === true;
  const given = follows ? objectOf(upgradePolicyOf(set), 'rollingUpgradePolicy') : undefined;
  const rollback =
    startedBy === 'Platform' && automatic['disableAutomaticRollback'] !== true
      ? { rollbackFailedInstancesOnPolicyBreach: true }
      : {};
  return { ...defaults, ...given, ...rollback };
}

/** ISO 8601 as ms: `PT1H30M5S`. */
export function pauseMs({ pauseTimeBetweenBatches }: RollingPolicy): number {
  const [, hours = 0, minutes = 0, seconds = 0] =
    /^PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?$/.exec(pauseTimeBetweenBatches) ?? [];
  return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
}

/** Refuses what Azure can't do: a rolling upgrade that nobody sees the health in, an automatic one of a pinned version. */
export function checkUpgradePolicy(properties: JsonObject): void {
  const policy = objectOf(properties, 'upgradePolicy');
  const profile = objectOf(properties, 'virtualMachineProfile') ?? {};
  const mode = textOf(policy, 'mode');
  if (mode === undefined)
    throw invalidParameter(
      'upgradePolicy.mode',
      "Required parameter 'upgradePolicy.mode' is missing (null).",
    );
  if (mode === 'Rolling' && !reportsHealth(profile)) throw withoutHealth('Rolling Upgrade mode is');
  const automatic = objectOf(policy, 'automaticOSUpgradePolicy');
  if (automatic?.['enableAutomaticOSUpgrade'] !== true) return;
  if (!reportsHealth(profile)) throw withoutHealth('Automatic OS Upgrade is');
  const reference = objectOf(objectOf(profile, 'storageProfile'), 'imageReference');
  if (!isLatest(reference))
    throw invalidParameter(
      'imageReference',
      'Automatic OS Upgrade is only supported for scale sets whose image reference is to the latest version.',
    );
}

/** A refusal, in Azure's words. */
export function withoutHealth(what: string): ArmError {
  return new ArmError(
    400,
    'BadRequest',
    `${what} not supported for this Virtual Machine Scale Set because a health probe or health extension was not provided.`,
  );
}
