import { ImgkitError, type CallOptions, type Fleet, type FleetVersion } from '@imgkit/core';

import { number, text, type WireObject } from '../api/wire.ts';
import type { GceContext } from '../context.ts';
import { shortId } from '../resources/resource-id.ts';
import { readNote } from './fleet-note.ts';
import { callOnGroup } from './fleet-place.ts';
import { imageOf, readTemplate } from './fleet-templates.ts';
import {
  failuresOf,
  isLeaving,
  isPaused,
  isSettled,
  readManaged,
  targetTemplate,
  versionsOf,
  type ManagedInstance,
} from './group-state.ts';

/** Reads a group as Google has it. */
export async function readGroup(
  { client }: GceContext,
  id: string,
  options?: CallOptions,
): Promise<WireObject> {
  return client.read({ ...callOnGroup(id), method: 'get' }, options);
}

/** The machines of a group, those that are on their way in and out too. */
export async function readMembers(
  { client }: GceContext,
  id: string,
  options?: CallOptions,
): Promise<readonly ManagedInstance[]> {
  const members: ManagedInstance[] = [];
  const call = { ...callOnGroup(id), method: 'listManagedInstances' };
  for await (const { items } of client.pages(call, options))
    members.push(...items.map(readManaged));
  return members;
}

/** Shows a group, with its machines and the images of its templates. */
export async function showFleet(
  context: GceContext,
  group: WireObject,
  options?: CallOptions,
): Promise<Fleet> {
  const id = shortId(text(group, 'selfLink') ?? '');
  const all = await readMembers(context, id, options);
  const members = all.filter((member) => !isLeaving(member));
  return {
    id,
    name: text(group, 'name') ?? '',
    size: number(group, 'targetSize') ?? 0,
    createdAt: text(group, 'creationTimestamp') ?? '',
    labels: readNote(group)?.labels ?? {},
    versions: await showVersions(context, group, members, options),
    instances: members.map((member) => member.id),
    status: statusOf(group, all),
    native: group,
  };
}

async function showVersions(
  context: GceContext,
  group: WireObject,
  members: readonly ManagedInstance[],
  options: CallOptions = {},
): Promise<readonly FleetVersion[]> {
  const target = targetTemplate(group);
  const wanted = versionsOf(group).map(({ template }) => template);
  const present = members.flatMap(({ template }) => template ?? []);
  const versions: FleetVersion[] = [];
  for (const template of new Set([...wanted, ...present])) {
    const instances = present.filter((other) => other === template).length;
    if (instances === 0 && template !== target) continue;
    const image = await imageOfTemplate(context, template, options);
    versions.push({ image: context.ref(image ?? ''), instances, target: template === target });
  }
  return versions;
}

/** Nothing for a template that is gone. */
async function imageOfTemplate(
  context: GceContext,
  template: string,
  options: CallOptions,
): Promise<string | undefined> {
  try {
    return imageOf(await readTemplate(context, template, options));
  } catch (error) {
    if (ImgkitError.is(error, 'NOT_FOUND')) return undefined;
    throw error;
  }
}

function statusOf(group: WireObject, members: readonly ManagedInstance[]): Fleet['status'] {
  if (isPaused(group)) return 'PAUSED';
  if (isSettled(group)) return 'STABLE';
  if (failuresOf(group, members).length > 0) return 'FAILED';
  const leaving = members.length > 0 && members.every(isLeaving);
  return leaving && (number(group, 'targetSize') ?? 0) === 0 ? 'DELETING' : 'ROLLING';
}
