import { ImgkitError, type Labels, type MachineImage, type OperationControl } from '@imgkit/core';

import { textMap } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { ownOf } from '../mapping.ts';
import { checkName } from '../resources/names.ts';
import { regionName } from '../resources/regions.ts';
import { metadataIn, toTags } from '../resources/tags.ts';
import { collectionOf, locateMachineImage } from './machine-image-id.ts';
import { readNote, writeNote } from './machine-note.ts';
import { makePoint } from './point-creation.ts';
import { readPoint, toMachineImage } from './restore-point.ts';

/** A copy of a machine image in another region. */
export interface AzureMachineImageCopy {
  readonly name: string;
  /** The region: `westeurope`. */
  readonly location: string;
  /** Those of what is copied by default. */
  readonly labels?: Labels | undefined;
  /** Two copies with the same key give one. */
  readonly idempotencyKey?: string | undefined;
}

/**
 * Copies a restore point into another region.
 *
 * @throws {@link ImgkitError} with `UNSUPPORTED` for an image version.
 */
export async function copyPoint(
  context: AzureContext,
  id: string,
  { name, location, labels, idempotencyKey }: AzureMachineImageCopy,
  control: OperationControl,
): Promise<MachineImage> {
  checkName('a machine image', name);
  await context.regions.require([location], control);
  const place = locateMachineImage(id);
  if (place.kind === 'imageVersion')
    throw new ImgkitError('UNSUPPORTED', `${id} is an image version, and isn't copied`, {
      resource: id,
      hint: 'Replicate it: isAzureImages(images), then images.replication.change(id, { set: [location] }). Restore it there: providerOptions: { location }.',
    });
  const { point, collection } = await readPoint(context, id, control);
  const note = readNote(collection);
  const metadata = metadataIn(textMap(collection, 'tags'));
  const image = toMachineImage({ point, collection }, context);
  const { description } = ownOf(collection);
  const plan = {
    call: 'machineImages.copy',
    name,
    idempotencyKey,
    location: regionName(location),
    source: collectionOf(place.id),
    tags: (key: string) =>
      toTags(
        labels ?? image.labels,
        { key, description },
        metadata,
        writeNote({ ...note, instance: image.instance }),
      ),
    body: { sourceRestorePoint: { id: image.id } },
  } as const;
  return makePoint(context, plan, control);
}
