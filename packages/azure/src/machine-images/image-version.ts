import { ImgkitError, type CallOptions, type MachineImage } from '@imgkit/core';

import { instant, number, object, objects, text, textMap, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { isForMachineImage } from '../versions/definitions.ts';
import { definitionsIn } from '../images/gallery-images.ts';
import { ownOf, statusOf } from '../mapping.ts';
import { ownSpelling } from '../resources/resource-id.ts';
import { fromTags } from '../resources/tags.ts';
import { versionsOf } from '../versions/versions.ts';
import { readNote } from './machine-note.ts';

const gib = 2 ** 30;

/**
 * Reads a machine image that is a version.
 *
 * @throws {@link ImgkitError} with `NOT_FOUND`, also for a version that is an image.
 */
export async function readMachineVersion(
  { client }: AzureContext,
  id: string,
  options?: CallOptions,
): Promise<WireObject> {
  const version = await client.get(id, options);
  if (isForMachineImage(version)) return version;
  throw new ImgkitError('NOT_FOUND', `${id} is an image, not a machine image`, {
    resource: id,
    hint: 'images.get(id) reads it.',
  });
}

/** The machine images that are versions, of the provider's gallery; of one name, where that is given. */
export async function* machineVersionsIn(
  context: AzureContext,
  name: string | undefined,
  options?: CallOptions,
): AsyncGenerator<WireObject, void, undefined> {
  const { gallery } = context;
  for await (const definition of definitionsIn(context, gallery, name, options))
    if (isForMachineImage(definition))
      yield* versionsOf(context, text(definition, 'name') ?? '', options);
}

/** Shows a version as a machine image. */
export function fromVersion(version: WireObject, { gallery }: AzureContext): MachineImage {
  const own = ownOf(version);
  const note = readNote(version);
  const storage = object(version, 'storageProfile');
  const source = note?.instance ?? text(object(storage, 'source'), 'virtualMachineId') ?? '';
  const dataDisks = objects(storage, 'dataDiskImages');
  const createdAt =
    instant(object(version, 'publishingProfile'), 'publishedDate') ??
    instant(object(version, 'systemData'), 'createdAt');
  return {
    id: ownSpelling(text(version, 'id') ?? '', gallery),
    name: own.name ?? '',
    status: statusOf(version),
    instance: ownSpelling(source, gallery),
    createdAt: createdAt ?? new Date(0).toISOString(),
    labels: fromTags(textMap(version, 'tags')),
    disks: [
      { boot: true, sizeBytes: sizeOf(object(storage, 'osDiskImage')) },
      ...dataDisks.map((disk) => ({ boot: false, sizeBytes: sizeOf(disk) })),
    ],
    machineType: text(object(note?.held, 'hardwareProfile'), 'vmSize') ?? '',
    native: version,
  };
}

function sizeOf(disk: WireObject | undefined): number {
  return (number(disk, 'sizeInGB') ?? 0) * gib;
}
