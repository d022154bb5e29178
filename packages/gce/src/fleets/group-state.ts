import { ImgkitError } from '@imgkit/core';

import { flag, number, object, objects, text, type WireObject } from '../api/wire.ts';
import { formatId, parseIdOf, shortId } from '../resources/resource-id.ts';
import { readNote, writeNote } from './fleet-note.ts';

/** One version of a group. */
export interface GroupVersion {
  /** The id of its template. */
  readonly template: string;
  /** Of how many machines; all others in the version that has no number. */
  readonly share: number | undefined;
}

/** One machine of a group as the group sees it. */
export interface ManagedInstance {
  /** The id of the instance. */
  readonly id: string;
  /** What the group is doing with it: `NONE`, `CREATING`, `DELETING`. */
  readonly action: string;
  /** The id of the template it is to be of. */
  readonly template: string | undefined;
  /** What went wrong when it was last made or removed. */
  readonly errors: readonly WireObject[];
}

/** The versions of a group; older groups have a template only. */
export function versionsOf(group: WireObject): readonly GroupVersion[] {
  const versions = objects(group, 'versions').flatMap((version) => {
    const template = text(version, 'instanceTemplate');
    if (template === undefined) return [];
    const share = object(version, 'targetSize');
    const isShare = number(share, 'fixed') !== undefined || number(share, 'percent') !== undefined;
    return [
      {
        template: shortId(template),
        share: isShare ? (number(share, 'calculated') ?? number(share, 'fixed')) : undefined,
      },
    ];
  });
  if (versions.length > 0) return versions;
  const template = text(group, 'instanceTemplate');
  return template === undefined ? [] : [{ template: shortId(template), share: undefined }];
}

/** The version that most machines are of, and, during a canary, the one that some of them went to. */
function splitVersions(group: WireObject): {
  readonly stable: GroupVersion | undefined;
  readonly canary: GroupVersion | undefined;
} {
  const versions = versionsOf(group);
  return {
    stable: versions.find(({ share }) => share === undefined) ?? versions[0],
    canary: versions.length > 1 ? versions.find(({ share }) => share !== undefined) : undefined,
  };
}

/** The template that the group goes to. */
export function targetTemplate(group: WireObject): string | undefined {
  const { stable, canary } = splitVersions(group);
  return (canary ?? stable)?.template;
}

/** The template before that one, which a rollback goes to; nothing when there was one template only. */
export function templateBefore(group: WireObject): string | undefined {
  const { stable, canary } = splitVersions(group);
  if (canary !== undefined) return stable?.template;
  const name = readNote(group)?.before;
  const now = parseIdOf('instanceTemplates', stable?.template);
  if (name === undefined || now === undefined) return undefined;
  return formatId({ ...now, scope: 'global', name });
}

/** The versions with which a group begins. */
export function firstVersions(template: string): readonly WireObject[] {
  return [versionOf(template)];
}

/**
 * What is to be changed of a group that goes to a template, with as many machines as `canary` says, or all. What it
 * had before is noted in its description, so that any process can go back.
 */
export function nextVersions(
  group: WireObject,
  template: string,
  canary: number | undefined,
): WireObject {
  const stable = splitVersions(group).stable?.template;
  if (canary !== undefined && stable !== undefined && stable !== template) {
    const part = { ...versionOf(template), targetSize: { fixed: canary } };
    return { versions: [versionOf(stable), part] };
  }
  const target = targetTemplate(group);
  // What comes before a template that is there already stays what it was.
  const before = target === template ? templateBefore(group) : target;
  const note = readNote(group);
  return {
    versions: [versionOf(template)],
    description: note && writeNote({ ...note, before: before && nameOf(before) }),
  };
}

/** The name is the template's alone: Google replaces the machines of a version that gets another name. */
function versionOf(template: string): WireObject {
  return { name: nameOf(template), instanceTemplate: template };
}

/** Whether the group is paused: ours are only ever opportunistic when somebody paused them. */
export function isPaused(group: WireObject): boolean {
  const opportunistic = text(object(group, 'updatePolicy'), 'type') === 'OPPORTUNISTIC';
  return opportunistic && (readNote(group) !== undefined || !isReached(group));
}

/** Whether all machines are as wanted, and nothing is going on. */
export function isSettled(group: WireObject): boolean {
  return isReached(group) && flag(object(group, 'status'), 'isStable');
}

/** Whether nothing is going on, whatever the machines are of. */
export function isQuiet(group: WireObject): boolean {
  return flag(object(group, 'status'), 'isStable');
}

function isReached(group: WireObject): boolean {
  return flag(object(object(group, 'status'), 'versionTarget'), 'isReached');
}

/** The zones of a group. */
export function zonesOf(group: WireObject): readonly string[] {
  const spread = objects(object(group, 'distributionPolicy'), 'zones');
  const zones = spread.map((zone) => text(zone, 'zone')).filter((zone) => zone !== undefined);
  const zone = text(group, 'zone');
  return zones.length > 0 || zone === undefined ? zones : [zone];
}

/** Reads one machine of `listManagedInstances`. */
export function readManaged(entry: WireObject): ManagedInstance {
  const instance = text(entry, 'instance');
  if (instance === undefined) {
    throw new ImgkitError('PROTOCOL', 'Google gave a machine of a group without its URL');
  }
  const template = text(object(entry, 'version'), 'instanceTemplate');
  return {
    id: shortId(instance),
    action: text(entry, 'currentAction') ?? 'NONE',
    template: template === undefined ? undefined : shortId(template),
    errors: objects(object(object(entry, 'lastAttempt'), 'errors'), 'errors'),
  };
}

/** Whether a machine of a group is on its way out. */
export function isLeaving({ action }: ManagedInstance): boolean {
  return action === 'DELETING' || action === 'ABANDONING';
}

/** The machines that don't come up, of those that the group wants: what it is removing may fail. */
export function failuresOf(
  group: WireObject,
  members: readonly ManagedInstance[],
): readonly ManagedInstance[] {
  const wanted = new Set<string | undefined>(versionsOf(group).map(({ template }) => template));
  return members.filter(
    (member) => member.errors.length > 0 && !isLeaving(member) && wanted.has(member.template),
  );
}

function nameOf(template: string): string {
  return template.slice(template.lastIndexOf('/') + 1);
}
