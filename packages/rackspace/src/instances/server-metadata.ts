import type { Labels } from '@imgkit/core';

import { isOurs, labelProperty } from '../mapping.ts';
import type { NovaServer } from '../nova/nova-server.ts';
import { invalid } from '../resources/rules.ts';

// What a server has no field for is kept in its metadata, under the prefix that images' properties have.

/** Entries of a server's metadata that are ours, beside the labels. */
const entries = {
  /** The digest of the idempotency key it was launched with. */
  key: 'imgkit:key',
  /** The ports that were asked for. */
  ports: 'imgkit:ports',
  /** The network that its floating address is to be of. */
  floatingNetwork: 'imgkit:floating-network',
} as const;

const labelPrefix = labelProperty('');
/** Nova's own rules. https://docs.openstack.org/api-ref/compute/#server-metadata */
const keyPattern = /^[a-zA-Z0-9-_:. ]{1,255}$/;
const maxValue = 255;
const maxEntries = 128;

/** What a server of ours tells about itself. */
export interface ServerNotes {
  readonly labels: Labels;
  /** The user's own. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly key?: string | undefined;
  /** Nothing for servers that imgkit didn't launch. */
  readonly ports?: readonly number[] | undefined;
  readonly floatingNetwork?: string | undefined;
}

/**
 * Everything that a new server's metadata is to hold.
 *
 * @throws `INVALID_ARGUMENT` for what Nova doesn't take.
 */
export function toServerMetadata(notes: ServerNotes): Readonly<Record<string, string>> {
  const { labels, metadata, key, ports = [], floatingNetwork } = notes;
  for (const [name, value] of Object.entries(metadata)) checkEntry(name, value);
  const all: Record<string, string> = { ...metadata };
  for (const [label, value] of Object.entries(labels)) all[labelProperty(label)] = value;
  if (key !== undefined) all[entries.key] = key;
  all[entries.ports] = [...new Set([22, ...ports])].join(',');
  if (floatingNetwork !== undefined) all[entries.floatingNetwork] = floatingNetwork;
  if (Object.keys(all).length > maxEntries)
    throw invalid(
      'so much metadata is too much',
      `A server holds ${maxEntries} entries, labels and what imgkit keeps itself included.`,
    );
  return all;
}

/** What a server's metadata says. */
export function readServerMetadata({ metadata = {} }: NovaServer): ServerNotes {
  const labels: Record<string, string> = {};
  const own: Record<string, string> = {};
  for (const [name, value] of Object.entries(metadata)) {
    if (name.startsWith(labelPrefix)) labels[name.slice(labelPrefix.length)] = value;
    else if (!isOurs(name)) own[name] = value;
  }
  return {
    labels,
    metadata: own,
    key: metadata[entries.key],
    ports: metadata[entries.ports]?.split(',').map(Number),
    floatingNetwork: metadata[entries.floatingNetwork],
  };
}

function checkEntry(name: string, value: unknown): void {
  if (isOurs(name))
    throw invalid(
      `"${name}" can't be given as metadata`,
      'Keys that begin with imgkit: are imgkit’s.',
    );
  if (!keyPattern.test(name))
    throw invalid(
      `"${name}" can't be a key of metadata`,
      'Use 1 to 255 letters, digits, spaces, hyphens, underscores, colons and dots.',
    );
  if (typeof value !== 'string' || value.length > maxValue)
    throw invalid(
      `the metadata "${name}" can't be kept`,
      `Give a text of at most ${maxValue} characters; user data may be longer.`,
    );
}
