import type { Labels } from '@imgkit/core';

import { labelProperty } from '../mapping.ts';

// What volumes and snapshots have no field for is kept in their metadata, as in that of servers.

/** Entries of the metadata that are ours, beside the labels. */
const entries = {
  /** The digest of the idempotency key it was made with. */
  key: 'imgkit:key',
  /** The image that a volume was made of, from its first moment on. */
  image: 'imgkit:image',
  /** The machine image that a snapshot is a part of. */
  machineImage: 'imgkit:machine-image',
} as const;

const labelPrefix = labelProperty('');

/** What a volume or a snapshot of ours tells about itself. */
export interface VolumeNotes {
  readonly labels: Labels;
  readonly key?: string | undefined;
  readonly image?: string | undefined;
  readonly machineImage?: string | undefined;
}

/** The metadata of a new volume or snapshot. */
export function toVolumeMetadata({ labels, ...notes }: VolumeNotes): Record<string, string> {
  const all: Record<string, string> = {};
  for (const [label, value] of Object.entries(labels)) all[labelProperty(label)] = value;
  for (const name of ['key', 'image', 'machineImage'] as const) {
    const value = notes[name];
    if (value !== undefined) all[entries[name]] = value;
  }
  return all;
}

/** What the metadata says. */
export function readVolumeMetadata(metadata: Readonly<Record<string, string>> = {}): VolumeNotes {
  const labels: Record<string, string> = {};
  for (const [name, value] of Object.entries(metadata)) {
    if (name.startsWith(labelPrefix)) labels[name.slice(labelPrefix.length)] = value;
  }
  return {
    labels,
    key: metadata[entries.key],
    image: metadata[entries.image],
    machineImage: metadata[entries.machineImage],
  };
}
