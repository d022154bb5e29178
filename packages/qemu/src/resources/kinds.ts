import type { Image, MachineImage, Snapshot } from '@imgkit/core';

import {
  diskSchema,
  imageSchema,
  machineImageSchema,
  snapshotSchema,
  toImage,
  toMachineImage,
  toSnapshot,
  type DiskDocument,
  type ImageDocument,
  type MachineImageDocument,
  type SnapshotDocument,
} from '../mapping.ts';
import type { StoredRecord } from '../store/records.ts';
import { formatId, type Collection, type LocalContext } from './context.ts';
import { statusOf, type ResourceKind } from './creation.ts';

function shown(context: LocalContext, record: StoredRecord<unknown>, collection: Collection) {
  const id = formatId(record.project, collection, record.name);
  return { provider: context.provider, id, status: statusOf(record) };
}

export const imageKind = {
  what: 'image',
  collection: 'images',
  schema: imageSchema,
  show: (context, record) => toImage(record, shown(context, record, 'images')),
} satisfies ResourceKind<ImageDocument, Image>;

export const snapshotKind = {
  what: 'snapshot',
  collection: 'snapshots',
  schema: snapshotSchema,
  show: (context, record) => toSnapshot(record, shown(context, record, 'snapshots')),
} satisfies ResourceKind<SnapshotDocument, Snapshot>;

export const machineImageKind = {
  what: 'machine image',
  collection: 'machine-images',
  schema: machineImageSchema,
  show: (context, record) => toMachineImage(record, shown(context, record, 'machine-images')),
} satisfies ResourceKind<MachineImageDocument, MachineImage>;

/** Disks without what machines know of them; see `disks.ts`. */
export const diskRecordKind = {
  what: 'disk',
  collection: 'disks',
  schema: diskSchema,
  show: () => undefined,
} satisfies ResourceKind<DiskDocument, undefined>;
