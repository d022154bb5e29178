import type { Disk, ImageRef, Snapshot } from '@imgkit/core';

import { instant, number, object, text, textMap, type WireObject } from '../api/wire.ts';
import { ownImageSpelling } from '../images/image-id.ts';
import { statusOf } from '../mapping.ts';
import { ownSpelling, type ResourceId } from '../resources/resource-id.ts';
import { fromTags } from '../resources/tags.ts';

const gib = 2 ** 30;

/** What disks and snapshots have in common. */
function common(native: WireObject, own: ResourceId) {
  return {
    id: ownSpelling(text(native, 'id') ?? '', own),
    name: text(native, 'name') ?? '',
    status: statusOf(native),
    createdAt: instant(native, 'timeCreated') ?? new Date(0).toISOString(),
    labels: fromTags(textMap(native, 'tags')),
    native,
  };
}

function sizeOf(native: WireObject): number {
  return number(native, 'diskSizeBytes') ?? (number(native, 'diskSizeGB') ?? 0) * gib;
}

/** Shows a disk. */
export function toDisk(native: WireObject, provider: string, own: ResourceId): Disk {
  const made = object(native, 'creationData');
  const gallery = object(made, 'galleryImageReference');
  const image =
    text(gallery, 'sharedGalleryImageId') ??
    text(gallery, 'communityGalleryImageId') ??
    text(gallery, 'id') ??
    text(object(made, 'imageReference'), 'id');
  const ref: ImageRef | undefined =
    image === undefined ? undefined : { provider, id: ownImageSpelling(image, own) };
  const machine = text(native, 'managedBy');
  return {
    ...common(native, own),
    sizeBytes: sizeOf(native),
    instances: machine === undefined ? [] : [ownSpelling(machine, own)],
    image: ref,
  };
}

/** Shows a snapshot. */
export function toSnapshot(native: WireObject, own: ResourceId): Snapshot {
  const source = text(object(native, 'creationData'), 'sourceResourceId') ?? '';
  return { ...common(native, own), disk: ownSpelling(source, own), diskSizeBytes: sizeOf(native) };
}
