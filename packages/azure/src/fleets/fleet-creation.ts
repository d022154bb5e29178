import {
  ifThere,
  ImgkitError,
  type CreateFleetRequest,
  type Fleet,
  type OperationControl,
} from '@imgkit/core';

import type { WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { ended } from '../versions/definitions.ts';
import { invalid, readOptions } from '../images/image-request.ts';
import { ownOf, statusOf } from '../mapping.ts';
import { subnetFor } from '../machines/network.ts';
import { sizeName } from '../machines/sizes.ts';
import { makeResource, type ResourceKind } from '../resources/resource-calls.ts';
import { keyDigest } from '../resources/tags.ts';
import { checkCount } from './bounded-rollout.ts';
import { failedMachines } from './fleet-failure.ts';
import { findImage } from './fleet-image.ts';
import { fleetOptions, type AzureFleetOptions, type AzureRollingPolicy } from './fleet-options.ts';
import { readMembers, readSet, setType, showFleet } from './fleet-view.ts';
import { checkFleetTemplate, guestDigest, toProfile } from './machine-profile.ts';

/** A scale set, without its machines. */
export interface ShownSet {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly native: WireObject;
}

/** https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftcompute */
function checkName(name: string): void {
  if (typeof name === 'string' && /^[A-Za-z0-9](?:[\w-]{0,62}[A-Za-z0-9])?$/.test(name)) return;
  throw invalid(
    `"${name}" can't be the name of a fleet`,
    'Use 1 to 64 letters, digits, underscores and hyphens, of which the first and the last is a letter or digit.',
  );
}

/** Makes a scale set, waits until its machines RUN, and removes all of it when they don't. */
export async function createFleet(
  context: AzureContext,
  kind: ResourceKind<ShownSet>,
  request: CreateFleetRequest,
  control: OperationControl,
): Promise<Fleet> {
  const { name, size, template, labels, idempotencyKey } = request;
  checkName(name);
  checkCount(size);
  const machine = checkFleetTemplate(template);
  const options: AzureFleetOptions = readOptions(
    fleetOptions,
    request.providerOptions ?? {},
    'fleets',
  );
  if (template.boot.kind !== 'image') throw invalid('a fleet boots from an image', 'Give one.');
  const { boot = 'version', zones = machine.zone === undefined ? undefined : [machine.zone] } =
    options;
  await context.regions.require([], control);
  const image = await findImage(context, template.boot.image, boot, control);
  const { architecture, generation } = image;
  const need = { architecture, generation, ephemeralDisk: false };
  const vmSize = await sizeName(context, template.machineType, need, control);
  const subnet = await subnetFor(context, machine.subnet, template.ports ?? [], control);
  const plan = machine.plan ?? image.plan;
  const body = {
    location: context.settings.location,
    sku: { name: vmSize, tier: 'Standard', capacity: size },
    ...(zones === undefined ? {} : { zones: [...zones] }),
    ...(plan === undefined ? {} : { plan }),
    orchestrationMode: 'Uniform',
    // Azure would make more machines than are asked for, and take some away again.
    overprovision: false,
    upgradePolicy: toUpgradePolicy(options),
    virtualMachineProfile: toProfile(context, template, { name, image, subnet, machine, options }),
  };
  const creation = {
    name,
    labels: { ...template.labels, ...labels },
    metadata: template.metadata,
    idempotencyKey,
    own: { guest: guestDigest(template) },
    body,
  };
  try {
    const { native } = await makeResource(context, kind, creation, control);
    return await showFleet(context, native, control);
  } catch (error) {
    if (!ImgkitError.is(error) || error.code === 'PENDING') throw error;
    const id = context.id(setType, name);
    const members = await readMembers(context, id).catch(() => []);
    await clear(context, id, idempotencyKey);
    const isAboutMachines = error.code === 'OPERATION_FAILED' || error.code === 'QUOTA_EXCEEDED';
    throw isAboutMachines ? failedMachines(error, members, undefined, id) : error;
  }
}

/** Removes a scale set that couldn't be made; that it can't be removed is told, and keeps nobody from the reason. */
async function clear(
  context: AzureContext,
  id: string,
  idempotencyKey: string | undefined,
): Promise<void> {
  const { client, logger } = context;
  try {
    const standing = await ifThere(() => readSet(context, id));
    const isOurs =
      idempotencyKey === undefined || ownOf(standing ?? {}).key === keyDigest(idempotencyKey);
    if (standing === undefined || !isOurs || statusOf(standing) !== 'FAILED') return;
    await ended(context, await client.delete(id), {});
  } catch (error) {
    logger.warn('a fleet that could not be made is left behind', { id, error });
  }
}

const modes = { manual: 'Manual', rolling: 'Rolling', automatic: 'Automatic' } as const;

/** How a scale set upgrades its machines, as Azure takes it; only what is named. */
export function toUpgradePolicy({
  mode,
  rolling,
  automaticUpgrades,
}: Pick<AzureFleetOptions, 'mode' | 'rolling' | 'automaticUpgrades'>): WireObject {
  return {
    mode: modes[mode ?? 'manual'],
    ...(rolling === undefined ? {} : { rollingUpgradePolicy: toRollingPolicy(rolling) }),
    ...(automaticUpgrades === true
      ? {
          automaticOSUpgradePolicy: {
            enableAutomaticOSUpgrade: true,
            disableAutomaticRollback: false,
            useRollingUpgradePolicy: rolling !== undefined,
          },
        }
      : {}),
  };
}

/** The policy of rolling upgrades, as Azure takes it; only what is named. */
export function toRollingPolicy({
  maxBatchPercent,
  maxUnhealthyPercent,
  maxUnhealthyUpgradedPercent,
  pauseSeconds,
  prioritizeUnhealthy,
  rollBackFailed,
  surge,
}: AzureRollingPolicy): WireObject {
  const policy = {
    maxBatchInstancePercent: maxBatchPercent,
    maxUnhealthyInstancePercent: maxUnhealthyPercent,
    maxUnhealthyUpgradedInstancePercent: maxUnhealthyUpgradedPercent,
    pauseTimeBetweenBatches: pauseSeconds === undefined ? undefined : `PT${pauseSeconds}S`,
    prioritizeUnhealthyInstances: prioritizeUnhealthy,
    rollbackFailedInstancesOnPolicyBreach: rollBackFailed,
    maxSurge: surge,
  };
  return Object.fromEntries(Object.entries(policy).filter(([, value]) => value !== undefined));
}
