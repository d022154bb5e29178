import type { CallOptions, ImageUser } from '@imgkit/core';

import { isWireObject, object, text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { sameImageId } from '../images/image-id.ts';
import { readNote } from '../machine-images/machine-note.ts';
import { ownOf } from '../mapping.ts';
import { ownSpelling, sameId, type ResourceType } from '../resources/resource-id.ts';

// What was captured of machines: restore points, machine images that are versions, managed images.

/** The image that is asked about. */
export interface AskedImage {
  readonly id: string;
  /** Its definition, when it is a version of a gallery. */
  readonly definition: string | undefined;
  /** Whether it is the one that machines of the latest version get. */
  readonly latest: boolean;
}

/** Lists what there is of a type. */
export type Lister = (type: ResourceType) => AsyncIterable<WireObject>;

/** A machine image holds all that its machine had; nobody when its machine was of another image. */
export function machineVersionUser(
  { gallery }: AzureContext,
  version: WireObject,
  image: AskedImage,
): readonly ImageUser[] {
  if (!noteIsOf(version, image)) return [];
  const id = ownSpelling(text(version, 'id') ?? '', gallery);
  const reason = `machine image "${ownOf(version).name}" is of a machine that boots from it`;
  return [{ kind: 'machine-image', id, reason }];
}

/**
 * Restore points hold all that their machines had, as well; that they need the image no more is for their owner to say.
 *
 * @param machines - The ids of the machines that boot from the image; those that are gone are known from tags.
 */
export async function* restorePointUsers(
  { client, gallery }: AzureContext,
  {
    image,
    machines,
    list,
  }: { readonly image: AskedImage; readonly machines: readonly string[]; readonly list: Lister },
  options: CallOptions | undefined,
): AsyncGenerator<ImageUser, void, undefined> {
  for await (const collection of list('Microsoft.Compute/restorePointCollections')) {
    const source = text(object(collection, 'source'), 'id') ?? '';
    if (!machines.some((id) => sameId(id, source)) && !noteIsOf(collection, image)) continue;
    const id = ownSpelling(text(collection, 'id') ?? '', gallery);
    const whole = await client.get(id, { ...options, expand: 'restorePoints' });
    const points: unknown = whole['restorePoints'];
    for (const point of Array.isArray(points) ? points.filter(isWireObject) : [])
      yield {
        kind: 'machine-image',
        id: ownSpelling(text(point, 'id') ?? '', gallery),
        reason: `restore point "${text(point, 'name')}" is of a machine that boots from it`,
      };
  }
}

/** Managed images that were made of machines or disks. */
export async function* managedImageUsers(
  { gallery }: AzureContext,
  {
    machines,
    disks,
    list,
  }: {
    readonly machines: readonly string[];
    readonly disks: readonly string[];
    readonly list: Lister;
  },
): AsyncGenerator<ImageUser, void, undefined> {
  for await (const managed of list('Microsoft.Compute/images')) {
    const osDisk = object(object(managed, 'storageProfile'), 'osDisk');
    const machine = text(object(managed, 'sourceVirtualMachine'), 'id') ?? '';
    const disk = text(object(osDisk, 'managedDisk'), 'id') ?? '';
    const ofMachine = machines.some((id) => sameId(id, machine));
    if (!ofMachine && !disks.some((id) => sameId(id, disk))) continue;
    const what = ofMachine ? 'a machine that boots from it' : 'a disk that was made of it';
    yield {
      kind: 'image',
      id: ownSpelling(text(managed, 'id') ?? '', gallery),
      reason: `managed image "${text(managed, 'name')}" was made of ${what}`,
    };
  }
}

/** Whether a machine image was taken of a machine of the image, which may be gone. */
function noteIsOf(resource: WireObject, image: AskedImage): boolean {
  const of = readNote(resource)?.image;
  return of !== undefined && sameImageId(of, image.id);
}
