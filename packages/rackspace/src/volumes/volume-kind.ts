import type { CallOptions, Disk, ResourceStatus, Snapshot } from '@imgkit/core';

import type { Cinder } from '../cinder/cinder.ts';
import type { CinderSnapshot, CinderVolume } from '../cinder/cinder-volume.ts';
import { readVolumeMetadata } from './volume-metadata.ts';

/** What volumes and snapshots have in common. */
export type StoredThing = CinderVolume | CinderSnapshot;

/** Volumes, or snapshots: what is made, found and deleted in the same way. */
export interface VolumeKind<Native extends StoredThing> {
  /** As users call it. */
  readonly what: 'disk' | 'snapshot';
  /** The capability it belongs to. */
  readonly capability: 'disks' | 'snapshots';
  get(cinder: Cinder, id: string, options?: CallOptions): Promise<Native>;
  list(
    cinder: Cinder,
    filter: Readonly<Record<string, string>>,
    options?: CallOptions,
  ): AsyncIterable<Native>;
  remove(cinder: Cinder, id: string, options?: CallOptions): Promise<void>;
}

export const volumeKind: VolumeKind<CinderVolume> = {
  what: 'disk',
  capability: 'disks',
  get: (cinder, id, options) => cinder.volume(id, options),
  list: (cinder, filter, options) => cinder.volumes(filter, options),
  remove: (cinder, id, options) => cinder.deleteVolume(id, options),
};

export const snapshotKind: VolumeKind<CinderSnapshot> = {
  what: 'snapshot',
  capability: 'snapshots',
  get: (cinder, id, options) => cinder.snapshot(id, options),
  list: (cinder, filter, options) => cinder.snapshots(filter, options),
  remove: (cinder, id, options) => cinder.deleteSnapshot(id, options),
};

const gib = 2 ** 30;

/** A size as Cinder has them: whole GiB, rounded up. */
export function toGib(bytes: number): number {
  return Math.ceil(bytes / gib);
}

/** A size in bytes. */
export function fromGib(gibibytes: number): number {
  return gibibytes * gib;
}

const statuses: Readonly<Record<string, ResourceStatus>> = {
  creating: 'PENDING',
  downloading: 'PENDING',
  'awaiting-transfer': 'READY',
  deleting: 'DELETING',
  deleted: 'DELETING',
  unmanaging: 'DELETING',
};

/** https://docs.openstack.org/api-ref/block-storage/v3/#volumes-volumes */
export function toStatus(status: string): ResourceStatus {
  return statuses[status] ?? (status.startsWith('error') ? 'FAILED' : 'READY');
}

/** Cinder writes its times in UTC, and doesn't say so. */
function toInstant(time: string): string {
  return new Date(/Z|[+-]\d\d:\d\d$/.test(time) ? time : `${time}Z`).toISOString();
}

/** A volume as the contract has it. */
export function toDisk(volume: CinderVolume, provider: string): Disk {
  const { labels, image } = readVolumeMetadata(volume.metadata);
  const source = volume.volume_image_metadata?.['image_id'] ?? image;
  return {
    id: volume.id,
    name: volume.name ?? '',
    status: toStatus(volume.status),
    sizeBytes: fromGib(volume.size),
    createdAt: toInstant(volume.created_at),
    labels,
    instances: [...new Set(volume.attachments.map((one) => one.server_id))],
    image: source === undefined ? undefined : { provider, id: source },
    native: volume,
  };
}

/** A snapshot as the contract has it. */
export function toSnapshot(snapshot: CinderSnapshot): Snapshot {
  return {
    id: snapshot.id,
    name: snapshot.name ?? '',
    status: toStatus(snapshot.status),
    disk: snapshot.volume_id,
    diskSizeBytes: fromGib(snapshot.size),
    createdAt: toInstant(snapshot.created_at),
    labels: readVolumeMetadata(snapshot.metadata).labels,
    native: snapshot,
  };
}
