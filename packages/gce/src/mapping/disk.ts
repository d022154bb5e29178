import type { Disk, ResourceStatus, Snapshot } from '@imgkit/core';

import { number, text, textMap, texts, type WireObject } from '../api/wire.ts';
import { fromGceLabels } from '../resources/labels.ts';
import { shortId } from '../resources/resource-id.ts';
import { gib, toInstant } from '../mapping.ts';

/** Google's statuses of disks, snapshots and machine images. */
const statuses: Readonly<Record<string, ResourceStatus>> = {
  CREATING: 'PENDING',
  RESTORING: 'PENDING',
  UPLOADING: 'PENDING',
  READY: 'READY',
  FAILED: 'FAILED',
  INVALID: 'FAILED',
  UNAVAILABLE: 'FAILED',
  DELETING: 'DELETING',
};

/** Whether a disk, snapshot or machine image stands. */
export function toStatus(native: WireObject): ResourceStatus {
  return statuses[text(native, 'status') ?? ''] ?? 'PENDING';
}

/** A disk as the contract has it. */
export function toDisk(native: WireObject, provider: string): Disk {
  const image = text(native, 'sourceImage');
  return {
    id: shortId(text(native, 'selfLink') ?? ''),
    name: text(native, 'name') ?? '',
    status: toStatus(native),
    sizeBytes: (number(native, 'sizeGb') ?? 0) * gib,
    createdAt: toInstant(text(native, 'creationTimestamp')),
    labels: fromGceLabels(textMap(native, 'labels')),
    instances: texts(native, 'users').map(shortId),
    image: image === undefined ? undefined : { provider, id: shortId(image) },
    native,
  };
}

/** A snapshot as the contract has it. */
export function toSnapshot(native: WireObject): Snapshot {
  return {
    id: shortId(text(native, 'selfLink') ?? ''),
    name: text(native, 'name') ?? '',
    status: toStatus(native),
    disk: shortId(text(native, 'sourceDisk') ?? ''),
    diskSizeBytes: (number(native, 'diskSizeGb') ?? 0) * gib,
    createdAt: toInstant(text(native, 'creationTimestamp')),
    labels: fromGceLabels(textMap(native, 'labels')),
    native,
  };
}
