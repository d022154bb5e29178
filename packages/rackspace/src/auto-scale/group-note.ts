import type { Labels } from '@imgkit/core';
import { formatProcess, parseProcess, systemProcesses } from '@imgkit/core/local';

import { isOurs, labelProperty, toLabels } from '../mapping.ts';
import type { GroupConfiguration } from './auto-scale.ts';

// What a group has no field for is kept in its metadata, under the prefix that images' properties have.

const entries = {
  key: 'imgkit:key',
  createdAt: 'imgkit:created-at',
  /** While it is changed: the size it shall have, and the bounds that it had. */
  change: 'imgkit:change',
  /** While it is rolled back: the launch configuration that it goes back to. */
  back: 'imgkit:back-to',
  /** While it is changed: the process that does it; `failed` after a rollout that failed. */
  changer: 'imgkit:changer',
} as const;

/** What imgkit remembers of a group. */
export interface GroupNote {
  readonly labels: Labels;
  /** The digest of the idempotency key it was made with. */
  readonly key?: string | undefined;
  /** When it was made, as an ISO 8601 instant: the cloud doesn't tell. */
  readonly createdAt?: string | undefined;
  /** A rollout that goes on, or broke off. */
  readonly change?: GroupChange | undefined;
}

/** A rollout of a group: what it shall be when that is over. */
export interface GroupChange {
  readonly size: number;
  readonly least: number;
  readonly most: number;
  readonly changer: string;
  /** What tells the launch configuration that it goes back to, if it does. */
  readonly back?: string | undefined;
}

/** Reads the note of a group. */
export function readNote({ metadata }: GroupConfiguration): GroupNote {
  const [size, least, most] = (metadata[entries.change] ?? '').split(',').map(Number);
  const changer = metadata[entries.changer] ?? '';
  return {
    labels: toLabels(metadata),
    key: metadata[entries.key],
    createdAt: metadata[entries.createdAt],
    change:
      size === undefined || least === undefined || most === undefined
        ? undefined
        : { size, least, most, changer, back: metadata[entries.back] },
  };
}

/** The metadata of a group with another note; what isn't ours stays. */
export function withNote(
  metadata: Readonly<Record<string, string>>,
  { labels, key, createdAt, change }: GroupNote,
): Record<string, string> {
  const others = Object.entries(metadata).filter(([name]) => !isOurs(name));
  const note: Record<string, string | undefined> = {
    [entries.key]: key,
    [entries.createdAt]: createdAt,
    [entries.change]: change && [change.size, change.least, change.most].join(','),
    [entries.changer]: change?.changer,
    [entries.back]: change?.back,
  };
  for (const [label, value] of Object.entries(labels)) note[labelProperty(label)] = value;
  const ours = Object.entries(note).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return Object.fromEntries([...others, ...ours]);
}

/** How a rollout that failed is noted. */
export const failed = 'failed';

/** This process, as the one that changes a group. */
export function thisChanger(): string {
  return formatProcess(systemProcesses.self());
}

/** Whether a change may still go on: its process lives, or can't be seen from here. */
export function goesOn({ changer }: GroupChange): boolean {
  const maker = parseProcess(changer);
  return maker !== undefined && systemProcesses.isAlive(maker) !== false;
}
