import { ImgkitError, type CallOptions, type MachineImage } from '@imgkit/core';

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
import { formatId, ownSpelling, parseIdOf, type ResourceId } from '../resource-id.ts';
import { fromTags } from '../tags.ts';

export const collectionType = 'Microsoft.Compute/restorePointCollections';
export const pointType = `${collectionType}/restorePoints` as const;
const gib = 2 ** 30;

/**
 * Where a restore point is.
 *
 * @throws {@link ImgkitError} with `NOT_FOUND` if the id is none of one.
 */
export function locatePoint(id: string): ResourceId {
  const found = parseIdOf(pointType, id);
  if (found !== undefined) return found;
  throw new ImgkitError('NOT_FOUND', `"${id}" is not the id of a machine image`, {
    resource: id,
    hint: 'Ids look like /subscriptions/…/restorePointCollections/web/restorePoints/web.',
  });
}

/** The id of the collection that a restore point is in. */
export function collectionOf(point: ResourceId): string {
  return formatId({ ...point, type: collectionType, names: point.names.slice(0, 1) });
}

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
  const place = locatePoint(id);
  const [point, collection] = await Promise.all([
    client.get(formatId(place), options),
    client.get(collectionOf(place), options),
  ]);
  return { point, collection };
}

/** The disks that a restore point holds, the boot disk first. */
export function heldDisks(point: WireObject): readonly WireObject[] {
  const storage = object(object(point, 'sourceMetadata'), 'storageProfile');
  const osDisk = object(storage, 'osDisk');
  return [...(osDisk === undefined ? [] : [osDisk]), ...objects(storage, 'dataDisks')];
}

/** Shows a restore point. */
export function toMachineImage(
  { point, collection }: ReadPoint,
  { gallery }: AzureContext,
): MachineImage {
  const boot = object(object(object(point, 'sourceMetadata'), 'storageProfile'), 'osDisk');
  const source = ownOf(collection).origin ?? text(object(collection, 'source'), 'id') ?? '';
  return {
    id: ownSpelling(text(point, 'id') ?? '', gallery),
    name: text(point, 'name') ?? '',
    status: statusOf(point),
    instance: ownSpelling(source, gallery),
    createdAt: instant(point, 'timeCreated') ?? new Date(0).toISOString(),
    labels: fromTags(textMap(collection, 'tags')),
    disks: heldDisks(point).map((disk) => ({
      boot: disk === boot,
      sizeBytes: (number(disk, 'diskSizeGB') ?? 0) * gib,
    })),
    machineType: text(object(object(point, 'sourceMetadata'), 'hardwareProfile'), 'vmSize') ?? '',
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
