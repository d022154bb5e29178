import { ImgkitError } from '@imgkit/core';

import { flag, number, object, objects, text, type WireObject } from '../api/wire.ts';
import { parseIdOf, shortId } from '../resource-id.ts';
import { readNote } from './fleet-note.ts';

/** One version of a group. */
export interface GroupVersion {
  /** What the version is called; ours say there which template came before. */
  readonly name: string | undefined;
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

/** How our names of versions begin; the name of the template that came before follows. */
const before = 'after-';
const canaryBefore = 'canary-after-';
const firstVersion = 'first';

/** The versions of a group; older groups have a template only. */
export function versionsOf(group: WireObject): readonly GroupVersion[] {
  const versions = objects(group, 'versions').flatMap((version) => {
    const template = text(version, 'instanceTemplate');
    if (template === undefined) return [];
    const share = object(version, 'targetSize');
    const isShare = number(share, 'fixed') !== undefined || number(share, 'percent') !== undefined;
    return [
      {
        name: text(version, 'name'),
        template: shortId(template),
        share: isShare ? (number(share, 'calculated') ?? number(share, 'fixed')) : undefined,
      },
    ];
  });
  if (versions.length > 0) return versions;
  const template = text(group, 'instanceTemplate');
  return template === undefined
    ? []
    : [{ name: undefined, template: shortId(template), share: undefined }];
}

/** The version that most machines are of, and, during a canary, the one that some of them went to. */
export function splitVersions(group: WireObject): {
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
  const named = stable?.name?.startsWith(before) === true && stable.name.slice(before.length);
  const location = parseIdOf('instanceTemplates', stable?.template);
  if (!named || location === undefined) return undefined;
  return `projects/${location.project}/global/instanceTemplates/${named}`;
}

/** The versions with which a group begins. */
export function firstVersions(template: string): readonly WireObject[] {
  return [{ name: firstVersion, instanceTemplate: template }];
}

/** The versions of a group that goes to a template, with as many machines as `canary` says, or all. */
export function nextVersions(
  group: WireObject,
  template: string,
  canary: number | undefined,
): readonly WireObject[] {
  const versions = splitVersions(group);
  const stable = versions.stable?.template;
  const target = targetTemplate(group);
  if (canary !== undefined && stable !== undefined && stable !== template) {
    return [
      { name: versions.stable?.name ?? firstVersion, instanceTemplate: stable },
      {
        name: `${canaryBefore}${nameOf(stable)}`.slice(0, 63),
        instanceTemplate: template,
        targetSize: { fixed: canary },
      },
    ];
  }
  // What comes before a template that is there already stays what it was.
  const former = target === template ? templateBefore(group) : target;
  const name = former === undefined ? firstVersion : `${before}${nameOf(former)}`;
  return [{ name, instanceTemplate: template }];
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

function nameOf(template: string): string {
  return template.slice(template.lastIndexOf('/') + 1);
}
