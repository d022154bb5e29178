import { ImgkitError } from '@imgkit/core';

import type { WireObject } from '../api/wire.ts';
import { isForMachineImage } from '../versions/definitions.ts';
import { formatId, parseIdOf, type ResourceId } from '../resources/resource-id.ts';

export const collectionType = 'Microsoft.Compute/restorePointCollections';
export const pointType = `${collectionType}/restorePoints` as const;
const versionType = 'Microsoft.Compute/galleries/images/versions';

/** Where a machine image is: its id tells which of the two kinds it is. */
export interface MachineImageId {
  readonly kind: 'restorePoint' | 'imageVersion';
  readonly id: ResourceId;
}

/**
 * Where a machine image is.
 *
 * @throws {@link ImgkitError} with `NOT_FOUND` if the id is none of one.
 */
export function locateMachineImage(id: string): MachineImageId {
  const point = parseIdOf(pointType, id);
  if (point !== undefined) return { kind: 'restorePoint', id: point };
  const version = parseIdOf(versionType, id);
  if (version !== undefined) return { kind: 'imageVersion', id: version };
  throw noMachineImage(id);
}

export function noMachineImage(id: string): ImgkitError {
  return new ImgkitError('NOT_FOUND', `"${id}" is not the id of a machine image`, {
    resource: id,
    hint: 'Ids look like /subscriptions/…/restorePointCollections/web/restorePoints/web, or /subscriptions/…/galleries/golden/images/web/versions/1.0.0 of one that was made as an image version.',
  });
}

/** The id of the collection that a restore point is in. */
export function collectionOf(point: ResourceId): string {
  return formatId({ ...point, type: collectionType, names: point.names.slice(0, 1) });
}

/**
 * Refuses to take a machine image for an image: what is kept of its machine would get lost.
 *
 * @throws {@link ImgkitError} with `FAILED_PRECONDITION`.
 */
export function refuseMachineImage(version: WireObject, id: string): void {
  if (!isForMachineImage(version)) return;
  throw new ImgkitError('FAILED_PRECONDITION', `${id} is a machine image, not an image`, {
    resource: id,
    hint: 'It never changes; machineImages.delete(id) deletes it.',
  });
}
