import {
  ifThere,
  ImgkitError,
  type CallOptions,
  type Fleet,
  type FleetVersion,
} from '@imgkit/core';

import {
  flag,
  instant,
  number,
  object,
  objects,
  text,
  textMap,
  type WireObject,
} from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { formatId, ownSpelling, parseIdOf, type ResourceId } from '../resources/resource-id.ts';
import { fromTags } from '../resources/tags.ts';
import { compareNumbers, parseNumber } from '../versions/version-number.ts';
import { bootsFrom, imageIdOf, isLatest } from './fleet-image.ts';
import { modelOf, rolloutOf } from './fleet-note.ts';

export const setType = 'Microsoft.Compute/virtualMachineScaleSets';

/** One machine of a scale set. */
export interface Member {
  readonly id: string;
  /** Its number in the scale set. */
  readonly number: string;
  /** What it boots from. */
  readonly reference: WireObject | undefined;
  readonly size: string | undefined;
  /** Whether it is as the model was when it was last upgraded. */
  readonly latestModel: boolean;
  /** `Succeeded`, `Creating`, `Updating`, `Deleting`, `Failed`. */
  readonly state: string;
  readonly running: boolean;
  /** Whether it is well, where somebody looks. */
  readonly healthy: boolean | undefined;
}

/**
 * Where a scale set is.
 *
 * @throws {@link ImgkitError} with `NOT_FOUND` if the id is none of one.
 */
export function locateSet(id: string): ResourceId {
  const found = parseIdOf(setType, id);
  if (found !== undefined) return found;
  throw new ImgkitError('NOT_FOUND', `"${id}" is not the id of a fleet`, {
    resource: id,
    hint: 'Ids look like /subscriptions/…/virtualMachineScaleSets/web.',
  });
}

/** Reads a scale set. */
export function readSet(
  { client }: AzureContext,
  id: string,
  options?: CallOptions,
): Promise<WireObject> {
  return client.get(formatId(locateSet(id)), options);
}

/** The machines of a scale set, in the order of their numbers; those on their way out too. */
export async function readMembers(
  context: AzureContext,
  id: string,
  options?: CallOptions,
): Promise<readonly Member[]> {
  const members: Member[] = [];
  const asked = { signal: options?.signal, expand: 'instanceView' };
  const pages = context.client.pages(`${setType}/virtualMachines`, locateSet(id), asked);
  for await (const page of pages) members.push(...page.map((native) => toMember(context, native)));
  return members.toSorted((a, b) => Number(a.number) - Number(b.number));
}

function toMember(context: AzureContext, native: WireObject): Member {
  const view = object(native, 'instanceView');
  const codes = objects(view, 'statuses').flatMap((status) => text(status, 'code') ?? []);
  const health = text(object(object(view, 'vmHealth'), 'status'), 'code');
  return {
    id: ownSpelling(text(native, 'id') ?? '', context.gallery),
    number: text(native, 'instanceId') ?? '',
    reference: object(object(native, 'storageProfile'), 'imageReference'),
    size: text(object(native, 'sku'), 'name'),
    latestModel: flag(native, 'latestModelApplied'),
    state: text(native, 'provisioningState') ?? '',
    running: codes.includes('PowerState/running'),
    healthy: health === undefined ? undefined : health === 'HealthState/healthy',
  };
}

/** Whether a machine is on its way out. */
export function isLeaving({ state }: Member): boolean {
  return state === 'Deleting';
}

/** Whether a machine is of the model that the scale set has now. */
export function isFresh(context: AzureContext, set: WireObject, member: Member): boolean {
  const { reference, size } = modelOf(set);
  const { told, exact } = rolloutOf(set) ?? {};
  if (told === true && !member.latestModel) return false;
  if (exact !== undefined && text(member.reference, 'exactVersion') !== exact) return false;
  const sameSize = size === undefined || member.size?.toLowerCase() === size.toLowerCase();
  return sameSize && bootsFrom(context, member.reference, reference);
}

/** Whether a machine is there to do its work. */
export function isReady({ state, running, healthy }: Member): boolean {
  return state === 'Succeeded' && running && healthy !== false;
}

/** Shows a scale set, with its machines. */
export async function showFleet(
  context: AzureContext,
  set: WireObject,
  options?: CallOptions,
): Promise<Fleet> {
  const id = ownSpelling(text(set, 'id') ?? '', context.gallery);
  const members = (await readMembers(context, id, options)).filter((member) => !isLeaving(member));
  return {
    id,
    name: text(set, 'name') ?? '',
    size: rolloutOf(set)?.size ?? number(object(set, 'sku'), 'capacity') ?? 0,
    createdAt: instant(set, 'timeCreated') ?? new Date(0).toISOString(),
    labels: fromTags(textMap(set, 'tags')),
    versions: toVersions(context, set, members),
    instances: members.map((member) => member.id),
    status: await statusOf(context, set, id, options),
    native: set,
  };
}

function toVersions(
  context: AzureContext,
  set: WireObject,
  members: readonly Member[],
): readonly FleetVersion[] {
  const { provider } = context;
  const counts = new Map<string, number>();
  for (const { reference } of members) {
    const id = imageIdOf(context, reference);
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  const target = targetOf(context, set, members);
  // What the machines are to be of is told even when there are none of it yet.
  if (!counts.has(target)) counts.set(target, 0);
  return [...counts].map(([id, instances]) => ({
    image: { provider, id },
    instances,
    target: id === target,
  }));
}

/** The image that the machines are to be of: of the latest, the highest version that one of them has. */
export function targetOf(
  context: AzureContext,
  set: WireObject,
  members: readonly Member[],
): string {
  const { reference } = modelOf(set);
  if (!isLatest(reference)) return imageIdOf(context, reference);
  const { exact } = rolloutOf(set) ?? {};
  const highest = members
    .filter((member) => bootsFrom(context, member.reference, reference))
    .flatMap((member) => text(member.reference, 'exactVersion') ?? [])
    .toSorted((a, b) => compareNumbers(parseNumber(a) ?? [0, 0, 0], parseNumber(b) ?? [0, 0, 0]))
    .at(-1);
  return imageIdOf(context, { ...reference, exactVersion: exact ?? highest });
}

/** What goes on; only those that Azure upgrades are asked about it. */
async function statusOf(
  context: AzureContext,
  set: WireObject,
  id: string,
  options?: CallOptions,
): Promise<Fleet['status']> {
  const state = text(set, 'provisioningState');
  const note = rolloutOf(set);
  if (state === 'Deleting') return 'DELETING';
  if (note !== undefined) return note.paused === true ? 'PAUSED' : 'ROLLING';
  if (state === 'Creating' || state === 'Updating') return 'ROLLING';
  if (isUpgradedByAzure(set)) {
    const code = upgradeCode(await latestUpgrade(context, id, options));
    if (code === 'RollingForward' || code === 'RollingBack') return 'ROLLING';
    if (code === 'Faulted') return 'FAILED';
  }
  return state === 'Failed' ? 'FAILED' : 'STABLE';
}

/** Whether Azure itself upgrades the machines, batch by batch. */
export function isUpgradedByAzure(set: WireObject): boolean {
  const policy = object(set, 'upgradePolicy');
  const automatic = object(policy, 'automaticOSUpgradePolicy');
  return text(policy, 'mode') === 'Rolling' || flag(automatic, 'enableAutomaticOSUpgrade');
}

/** The last rolling upgrade that Azure carried out; nothing when there was none. */
export async function latestUpgrade(
  { client }: AzureContext,
  id: string,
  options?: CallOptions,
): Promise<WireObject | undefined> {
  const target = formatId(locateSet(id));
  return (await ifThere(() => client.view(target, 'rollingUpgrades/latest', options)))?.[0];
}

export function upgradeCode(upgrade: WireObject | undefined): string | undefined {
  return text(object(upgrade, 'runningStatus'), 'code');
}
