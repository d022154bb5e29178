import {
  objectOf,
  objectsOf,
  textMapOf,
  textOf,
  type JsonObject,
} from '../../control-plane/json.ts';
import type { Call } from '../call.ts';
import { userOf } from '../disks/attachments.ts';
import { planDisk, type PlannedDisk, type SavedDisk } from '../disks/new-disk.ts';
import { badRequest, invalid, notEmulated, resourceInUse, resourceNotReady } from '../errors.ts';
import { selfLink } from '../links.ts';
import { diskType } from '../resources.ts';
import type { Stored } from '../state.ts';

/** A disk of an instance to be. */
export interface InstanceDisk {
  readonly record: Stored;
  /** A disk that is made with the instance; undefined for one that stands. */
  readonly planned: PlannedDisk | undefined;
  /** The entry in the instance's `disks`. */
  readonly entry: JsonObject;
}

/**
 * Looks up, and plans, the disks of a new instance.
 *
 * @param saved - the disks of the machine image it is made of, in its order.
 */
export function readDisks(
  call: Call,
  body: JsonObject,
  name: string,
  saved: readonly SavedDisk[] = [],
): readonly InstanceDisk[] {
  const given = objectsOf(body, 'disks');
  const field = 'resource.disks';
  if (given.length === 0) throw invalid(field, '', 'At least one disk is required.');
  if (given[0]?.['boot'] !== true) {
    const why = 'Boot disk must be the first disk attached to the instance.';
    throw invalid(`${field}[0].boot`, 'false', why);
  }
  if (given.filter((disk) => disk['boot'] === true).length > 1) {
    throw invalid(field, String(given.length), 'An instance has one boot disk.');
  }
  const disks = given.map((disk, index) =>
    readDisk(call, disk, index, name, `${field}[${index}]`, saved[index]),
  );
  const names = new Set(disks.map(({ record }) => record.link));
  if (names.size < disks.length) throw badRequest('A disk is named twice.');
  return disks;
}

/** The entry of a disk in an instance's `disks`. */
export function diskEntry(given: JsonObject, disk: Stored, index: number): JsonObject {
  const { resource } = disk;
  return {
    kind: 'compute#attachedDisk',
    type: 'PERSISTENT',
    mode: textOf(given, 'mode') ?? 'READ_WRITE',
    source: selfLink(disk.link),
    deviceName: textOf(given, 'deviceName') ?? `persistent-disk-${index}`,
    index,
    boot: given['boot'] === true,
    autoDelete: given['autoDelete'] === true,
    interface: textOf(given, 'interface') ?? 'SCSI',
    diskSizeGb: resource['sizeGb'],
    licenses: resource['licenses'],
    guestOsFeatures: resource['guestOsFeatures'],
    architecture: resource['architecture'],
  };
}

function readDisk(
  call: Call,
  given: JsonObject,
  index: number,
  name: string,
  field: string,
  saved: SavedDisk | undefined,
): InstanceDisk {
  if (textOf(given, 'type') === 'SCRATCH') throw notEmulated('A local SSD');
  const source = saved ? undefined : textOf(given, 'source');
  const params = objectOf(given, 'initializeParams');
  if (source !== undefined) {
    if (params && Object.values(textMapOf({ params }, 'params')).some((text) => text !== '')) {
      throw invalid(`${field}.initializeParams`, '', 'It can’t be given together with source.');
    }
    const record = freeDisk(call, `${field}.source`, source);
    return { record, planned: undefined, entry: diskEntry(given, record, index) };
  }
  const planned = planDisk(call, {
    field: `${field}.initializeParams`,
    name: textOf(params, 'diskName') ?? (index === 0 ? name : `${name}-${index}`),
    location: call.location,
    sourceImage: textOf(params, 'sourceImage'),
    sourceSnapshot: textOf(params, 'sourceSnapshot'),
    saved,
    sizeGb: textOf(params, 'diskSizeGb') ?? textOf(given, 'diskSizeGb'),
    type: textOf(params, 'diskType'),
    labels: textMapOf(params, 'labels'),
    more: {
      description: params?.['description'],
      licenses: params?.['licenses'],
      guestOsFeatures: given['guestOsFeatures'],
      architecture: params?.['architecture'],
    },
  });
  const { record } = planned;
  return { record, planned, entry: diskEntry(given, record, index) };
}

/** A disk that stands, is in the instance's zone, and belongs to nobody. */
export function freeDisk(call: Call, field: string, source: string): Stored {
  const disk = call.referred(field, source, diskType, 'compute.disks.use');
  if (disk.location !== call.location) {
    throw invalid(field, source, 'The disk must be in the zone of the instance.');
  }
  if (disk.resource['status'] !== 'READY') throw resourceNotReady(disk.link);
  const user = userOf(disk);
  if (user !== undefined) throw resourceInUse('disk', disk.link, user);
  return disk;
}
