import type { JsonObject } from '../../control-plane/json.ts';
import type { Handler } from '../call.ts';
import { conflict, notFound } from '../errors.ts';
import { openOperation } from '../operations.ts';
import { currentImage, locationOf, profileOf, recordOf, reportsHealth } from './members.ts';
import type { UpgradeRecord } from './records.ts';
import { cancelUpgrade, isRolling, startRollingUpgrade } from './rolling-upgrade.ts';
import { withoutHealth } from './upgrade-policy.ts';

/** Lets all machines have the image that the model stands for now. */
const start: Handler = (call) => {
  const set = call.target();
  if (!reportsHealth(profileOf(set))) throw withoutHealth('Rolling Upgrade is');
  if (isRolling(set))
    throw conflict(`A rolling upgrade of the scale set '${set.id}' is in progress already.`);
  const target = currentImage(call.world, set);
  const operation = openOperation(call.world, call.parts.origin, call.subscription, {
    id: set.id,
    location: locationOf(set),
    collection: 'operations',
  });
  const ended: UpgradeRecord['ended'][number] = (error, cancelled) =>
    operation.end(
      cancelled
        ? { code: 'Canceled', message: 'The rolling upgrade was cancelled.', status: 'Canceled' }
        : error,
    );
  startRollingUpgrade(call.world, set, { startedBy: 'User', target, system: true, ended });
  return { status: 202, headers: operation.headers };
};

/** How the last one goes, or went. */
const latest: Handler = (call) => {
  const set = call.target();
  const { upgrade } = recordOf(set);
  if (upgrade === undefined) throw notFound(call.id);
  const { startedAt: startTime, lastAction, lastActionTime, code, policy } = upgrade;
  return {
    status: 200,
    body: {
      type: 'Microsoft.Compute/virtualMachineScaleSets/rollingUpgrades',
      location: locationOf(set),
      properties: {
        policy: { ...policy },
        runningStatus: { code, startTime, lastAction, lastActionTime },
        progress: progressOf(upgrade),
        ...(upgrade.error === undefined ? {} : { error: upgrade.error }),
      },
    },
  };
};

/** Ends it after the batch it is at. */
const cancel: Handler = (call) => {
  const set = call.target();
  const { upgrade } = recordOf(set);
  if (upgrade === undefined || !isRolling(set))
    throw conflict(`There is no rolling upgrade of the scale set '${set.id}' to cancel.`);
  const operation = openOperation(call.world, call.parts.origin, call.subscription, {
    id: set.id,
    location: locationOf(set),
    collection: 'operations',
  });
  cancelUpgrade(call.world, upgrade);
  upgrade.ended.push(() => operation.end());
  return { status: 202, headers: operation.headers };
};

/** The upgrades of the operating system, with what was taken back. */
const history: Handler = (call) => {
  const set = call.target();
  const items = recordOf(set).history.map((upgrade): JsonObject => ({
    type: 'Microsoft.Compute/virtualMachineScaleSets/rollingUpgrades',
    location: locationOf(set),
    properties: {
      runningStatus: {
        code: upgrade.code,
        startTime: upgrade.startedAt,
        ...(upgrade.endedAt === undefined ? {} : { endTime: upgrade.endedAt }),
      },
      progress: progressOf(upgrade),
      ...(upgrade.error === undefined ? {} : { error: upgrade.error }),
      startedBy: upgrade.startedBy,
      targetImageReference: {
        ...upgrade.target.reference,
        exactVersion: upgrade.target.exactVersion,
      },
      ...(upgrade.rolledBack === undefined
        ? {}
        : {
            rollbackInfo: {
              successfullyRolledbackInstanceCount: upgrade.rolledBack,
              failedRolledbackInstanceCount: 0,
            },
          }),
    },
  }));
  return call.page(items);
};

function progressOf({ successful, failed, inProgress, pending }: UpgradeRecord): JsonObject {
  return {
    successfulInstanceCount: successful,
    failedInstanceCount: failed,
    inProgressInstanceCount: inProgress,
    pendingInstanceCount: pending,
  };
}

export const upgradeCalls = { start, latest, cancel, history } as const;
