import type { ImageOrigin } from '@imgkit/core';

import { object, text, type WireObject } from '../api/wire.ts';
import { formatImageId, parseImageId } from '../images/image-id.ts';
import { ownSpelling, parseResourceId, type ResourceId } from '../resources/resource-id.ts';

const kinds: Readonly<Record<string, ImageOrigin['kind']>> = {
  'Microsoft.Compute/disks': 'disk',
  'Microsoft.Compute/snapshots': 'snapshot',
};

/** What a version was made of. */
export function toOrigin(
  storage: WireObject | undefined,
  own: ResourceId,
): ImageOrigin | undefined {
  const disk = object(object(storage, 'osDiskImage'), 'source');
  const uri = text(disk, 'uri');
  if (uri !== undefined) return { kind: 'file', id: uri };
  const source = object(storage, 'source');
  const machine = text(source, 'virtualMachineId');
  if (machine !== undefined) return { kind: 'instance', id: ownSpelling(machine, own) };
  const id = text(source, 'communityGalleryImageId') ?? text(source, 'id') ?? text(disk, 'id');
  const image = parseImageId(id ?? '');
  if (image !== undefined) return { kind: 'image', id: ownSpelling(formatImageId(image), own) };
  const kind = kinds[parseResourceId(id)?.type ?? ''];
  return id === undefined || kind === undefined ? undefined : { kind, id: ownSpelling(id, own) };
}
