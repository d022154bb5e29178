import { createHash } from 'node:crypto';

import { ImgkitError, type Labels } from '@imgkit/core';

/** The tags that the adapter keeps for itself: they aren't shown among a resource's labels. */
export const ownTags = {
  /** The digest of the idempotency key that something was made with. */
  key: 'imgkit-key',
  /** The name of an image. */
  name: 'imgkit-name',
  /** Set on images without a family, and on the definitions that hold one: `true`, or `machine-image`. */
  standalone: 'imgkit-standalone',
  /** The version of an image as its maker wrote it. */
  version: 'imgkit-version',
  /** The instant of its last publication; nothing for a staged one. */
  published: 'imgkit-published',
  /** Its state, when that isn't ACTIVE. */
  state: 'imgkit-state',
  /** What to use instead of it. */
  replacement: 'imgkit-replacement',
  /** When it is planned to become DEPRECATED, OBSOLETE, DELETED. */
  deprecated: 'imgkit-deprecated-on',
  obsolete: 'imgkit-obsolete-on',
  deleted: 'imgkit-deleted-on',
  /** The size of its disk in bytes, which Azure itself counts in GiB. */
  size: 'imgkit-size',
  /** The image that it was made of, where Azure remembers only the disk between them. */
  origin: 'imgkit-origin',
  /** What it is, in words: versions have no field for it. */
  description: 'imgkit-description',
  /** The ports of a machine that were asked for. */
  ports: 'imgkit-ports',
  /** Of a fleet: what its machines were of before, which a rollback goes to. */
  before: 'imgkit-before',
  /** Of a fleet: the rollout that imgkit carries out on it. */
  rollout: 'imgkit-rollout',
  /** Of a fleet: the digest of what its machines are told at their first boot. */
  guest: 'imgkit-guest',
} as const;

/** Before the keys of what a machine's guest may read: it sees the tags in its instance metadata. */
const metadataPrefix = 'imgkit-metadata-';
/** Before the numbers of the pieces of what is kept of a machine: see {@link toTags}. */
const machinePrefix = 'imgkit-machine-';

/** The adapter's own tags of a resource, by what they say. */
export type OwnTags = Partial<Record<keyof typeof ownTags, string | undefined>>;

const ownNames = new Set<string>(Object.values(ownTags));

/** https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations */
export const longestValue = 256;
const [mostTags, longestKey] = [50, 512];
const reserved = /^(?:microsoft|azure|windows)/i;

/**
 * The tags of a resource.
 *
 * @param metadata - What a machine's guest may read.
 * @param machine - What is kept of a machine, in one text: in as many tags as it needs.
 * @throws ImgkitError with `INVALID_ARGUMENT` for a label that Azure doesn't take, or too many.
 */
export function toTags(
  labels: Labels = {},
  own: OwnTags = {},
  metadata: Labels = {},
  machine = '',
): Record<string, string> {
  const tags: Record<string, string> = {};
  const seen = new Map<string, string>();
  for (const [key, value] of Object.entries(labels)) {
    checkLabel(key, value);
    const other = seen.get(key.toLowerCase());
    if (other !== undefined)
      throw invalid(
        `the labels "${other}" and "${key}" are one to Azure`,
        'Azure doesn’t tell keys apart by their case.',
      );
    seen.set(key.toLowerCase(), key);
    tags[key] = value;
  }
  for (const [key, value] of Object.entries(ownTags)) {
    const text = ownOf(own, key);
    if (text === undefined) continue;
    if (text.length > longestValue)
      throw invalid(
        `the ${key} is too long: "${text.slice(0, 40)}…"`,
        `Azure keeps it in a tag of at most ${longestValue} characters.`,
      );
    tags[value] = text;
  }
  for (const [key, value] of Object.entries(metadata)) {
    checkLabel(key, value, 'metadata');
    tags[`${metadataPrefix}${key}`] = value;
  }
  for (let piece = 0; piece * longestValue < machine.length; piece += 1)
    tags[`${machinePrefix}${piece}`] = machine.slice(
      piece * longestValue,
      (piece + 1) * longestValue,
    );
  const count = Object.keys(tags).length;
  if (count > mostTags)
    throw invalid(
      `${count} labels are too many`,
      `Azure takes ${mostTags} tags, with imgkit's own.`,
    );
  return tags;
}

function ownOf(own: OwnTags, key: string): string | undefined {
  const value: unknown = Reflect.get(own, key);
  return typeof value === 'string' ? value : undefined;
}

function checkLabel(key: string, value: unknown, what = 'label'): void {
  if (key === '' || key.length > longestKey || /[<>%&\\?/]/.test(key) || reserved.test(key))
    throw invalid(
      `"${key}" can't be the key of a ${what}`,
      `Use 1 to ${longestKey} characters without < > % & \\ ? /, and not beginning with microsoft, azure or windows.`,
    );
  if (isOwn(key))
    throw invalid(`"${key}" can't be the key of a label`, 'imgkit keeps it for itself.');
  if (typeof value !== 'string' || value.length > longestValue)
    throw invalid(
      `the value of ${what} "${key}" can't be kept`,
      `Give a text of at most ${longestValue} characters.`,
    );
}

/** The labels as their user gave them, without the adapter's own. */
export function fromTags(tags: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).filter(([key]) => !isOwn(key)));
}

/** What a machine's guest may read, as it was given. */
export function metadataIn(tags: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(tags)
      .filter(([key]) => key.toLowerCase().startsWith(metadataPrefix))
      .map(([key, value]) => [key.slice(metadataPrefix.length), value]),
  );
}

/** What is kept of a machine, as it was given; empty where nothing is. */
export function machineIn(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags)
    .filter(([key]) => key.toLowerCase().startsWith(machinePrefix))
    .map(([key, value]) => [Number(key.slice(machinePrefix.length)), value] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, value]) => value)
    .join('');
}

function isOwn(key: string): boolean {
  const name = key.toLowerCase();
  return ownNames.has(name) || name.startsWith(metadataPrefix) || name.startsWith(machinePrefix);
}

/** The adapter's own tags, in whatever case Azure gives their names. */
export function readOwn(tags: Readonly<Record<string, string>>): OwnTags {
  const byName = new Map(Object.entries(tags).map(([key, value]) => [key.toLowerCase(), value]));
  return Object.fromEntries(Object.entries(ownTags).map(([key, name]) => [key, byName.get(name)]));
}

/** The labels after a change: `null` removes one. */
export function changedLabels(
  labels: Labels,
  changes: Readonly<Record<string, string | null>> = {},
): Record<string, string> {
  const changed: Record<string, string> = { ...labels };
  for (const [key, value] of Object.entries(changes)) {
    const standing = Object.keys(changed).find((one) => one.toLowerCase() === key.toLowerCase());
    if (standing !== undefined) delete changed[standing];
    if (value !== null) changed[key] = value;
  }
  return changed;
}

/** Whether `labels` has all of `wanted`, with exactly these values. */
export function hasLabels(labels: Labels, wanted: Labels = {}): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}

/** What an idempotency key is kept as. */
export function keyDigest(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 40);
}

function invalid(message: string, hint: string): ImgkitError {
  return new ImgkitError('INVALID_ARGUMENT', message, { hint });
}
