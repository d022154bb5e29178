import { ImgkitError, type CallOptions } from '@imgkit/core';

import { object, objects, text, textMap, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { invalid } from '../resources/invalid.ts';
import { statusOf } from '../mapping.ts';
import { regionName, sameRegion } from '../resources/regions.ts';
import { formatId } from '../resources/resource-id.ts';
import { readMachineVersion } from './image-version.ts';
import { locateMachineImage } from './machine-image-id.ts';
import { readNote, type MachineNote } from './machine-note.ts';
import { readPoint } from './restore-point.ts';

/** What a machine image holds, whichever of the two kinds it is. */
export interface HeldMachine {
  /** The configuration, in the form in which restore points have it. */
  readonly held: WireObject;
  /** What Azure keeps in no restore point; nothing for what others made. */
  readonly note: MachineNote | undefined;
  readonly tags: Readonly<Record<string, string>>;
  /** The region that it is restored in. */
  readonly location: string;
  /** Whether that isn't the region of its machine. */
  readonly elsewhere: boolean;
  /** The id of the image version that its disks are made of; nothing where they are of restore points. */
  readonly version: string | undefined;
}

/**
 * Reads what a machine image holds.
 *
 * @param wanted - The region to restore in, where it is named.
 * @throws {@link ImgkitError} with `NOT_FOUND`, with `FAILED_PRECONDITION` for one that isn't READY or doesn't tell of
 *   its machine, and with `INVALID_ARGUMENT` for a region that it isn't in.
 */
export async function readHeldMachine(
  context: AzureContext,
  machineImage: string,
  wanted: string | undefined,
  options: CallOptions,
): Promise<HeldMachine> {
  const { kind, id } = locateMachineImage(machineImage);
  return kind === 'restorePoint'
    ? heldByPoint(context, machineImage, wanted, options)
    : heldByVersion(context, formatId(id), wanted, options);
}

async function heldByPoint(
  context: AzureContext,
  id: string,
  wanted: string | undefined,
  options: CallOptions,
): Promise<HeldMachine> {
  const { point, collection } = await readPoint(context, id, options);
  requireReady(point, id);
  const held = object(point, 'sourceMetadata') ?? {};
  const location = regionName(text(collection, 'location') ?? context.settings.location);
  if (wanted !== undefined && !sameRegion(wanted, location))
    throw invalid(
      `${id} is in ${location}, not in ${regionName(wanted)}`,
      'Copy it there: isAzureMachineImages(machineImages), then machineImages.copy(id, { name, location }).',
    );
  return {
    held,
    note: readNote(collection),
    tags: textMap(collection, 'tags'),
    location,
    elsewhere: !sameRegion(text(held, 'location') ?? location, location),
    version: undefined,
  };
}

async function heldByVersion(
  context: AzureContext,
  id: string,
  wanted: string | undefined,
  options: CallOptions,
): Promise<HeldMachine> {
  const version = await readMachineVersion(context, id, options);
  requireReady(version, id);
  const note = readNote(version);
  if (note?.held === undefined)
    throw new ImgkitError('FAILED_PRECONDITION', `the tags of ${id} don't tell of its machine`, {
      resource: id,
      hint: 'Somebody has changed them. Launch a machine of it by hand: boot: { kind: "image", image }.',
    });
  const home = regionName(text(version, 'location') ?? '');
  const regions = objects(object(version, 'publishingProfile'), 'targetRegions').map((region) =>
    regionName(text(region, 'name') ?? ''),
  );
  const here = regions.includes(context.settings.location) ? context.settings.location : home;
  const location = regionName(wanted ?? here);
  if (!regions.includes(location))
    throw invalid(
      `${id} is not in ${location}, but in ${regions.join(', ')}`,
      'Bring it there first: isAzureImages(images), then images.replication.change(id, { set: [location] }).',
    );
  return {
    held: note.held,
    note,
    tags: textMap(version, 'tags'),
    location,
    elsewhere: location !== home,
    version: id,
  };
}

function requireReady(native: WireObject, id: string): void {
  if (statusOf(native) === 'READY') return;
  throw new ImgkitError('FAILED_PRECONDITION', `${id} isn't ready`, {
    resource: id,
    hint: 'Wait for it.',
  });
}
