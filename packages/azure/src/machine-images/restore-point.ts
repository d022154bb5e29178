import type { CallOptions, MachineImage } from '@imgkit/core';

import {
  instant,
  isWireObject,
  number,
  object,
  objects,
  text,
  textMap,
  type WireObject,
} from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { ownOf, statusOf } from '../mapping.ts';
import { formatId, ownSpelling, parseIdOf } from '../resources/resource-id.ts';
import { fromTags } from '../resources/tags.ts';
import { collectionOf, noMachineImage, pointType } from './machine-image-id.ts';
import { readNote } from './machine-note.ts';

const gib = 2 ** 30;

/** A restore point with its collection, which has the tags and the region. */
export interface ReadPoint {
  readonly point: WireObject;
  readonly collection: WireObject;
}

/** Reads a restore point and its collection. */
export async function readPoint(
  { client }: AzureContext,
  id: string,
  options?: CallOptions,
): Promise<ReadPoint> {
  const place = parseIdOf(pointType, id);
  if (place === undefined) throw noMachineImage(id);
  const [point, collection] = await Promise.all([
    client.get(formatId(place), options),
    client.get(collectionOf(place), options),
  ]);
  return { point, collection };
}

/** The disks in the configuration of a machine that is held, the boot disk first. */
export function heldDisks(held: WireObject | undefined): readonly WireObject[] {
  const storage = object(held, 'storageProfile');
  const osDisk = object(storage, 'osDisk');
  return [...(osDisk === undefined ? [] : [osDisk]), ...objects(storage, 'dataDisks')];
}

/** Shows a restore point. */
export function toMachineImage(
  { point, collection }: ReadPoint,
  { gallery }: AzureContext,
): MachineImage {
  const held = object(point, 'sourceMetadata');
  const boot = object(object(held, 'storageProfile'), 'osDisk');
  const source = readNote(collection)?.instance ?? text(object(collection, 'source'), 'id') ?? '';
  return {
    id: ownSpelling(text(point, 'id') ?? '', gallery),
    name: text(point, 'name') ?? '',
    status: statusOf(point),
    instance: ownSpelling(source, gallery),
    createdAt: instant(point, 'timeCreated') ?? new Date(0).toISOString(),
    labels: fromTags(textMap(collection, 'tags')),
    disks: heldDisks(held).map((disk) => ({
      boot: disk === boot,
      sizeBytes: (number(disk, 'diskSizeGB') ?? 0) * gib,
    })),
    machineType: text(object(held, 'hardwareProfile'), 'vmSize') ?? '',
    native: point,
  };
}

/** The restore points of a collection that was read with them; of ours that has none yet, what it is to be. */
export function pointsIn(collection: WireObject): readonly WireObject[] {
  const points: unknown = collection['restorePoints'];
  const found = Array.isArray(points) ? points.filter(isWireObject) : [];
  if (found.length > 0 || ownOf(collection).key === undefined) return found;
  const name = text(collection, 'name') ?? '';
  const id = `${text(collection, 'id') ?? ''}/restorePoints/${name}`;
  return [{ id, name, provisioningState: 'Creating' }];
}
