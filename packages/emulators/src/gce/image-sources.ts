import { isJsonArray, objectOf, textOf, textsOf, type JsonObject } from '../control-plane/json.ts';
import type { Call } from './call.ts';
import { ApiError, invalid, notEmulated, resourceInUse, resourceNotReady } from './errors.ts';
import type { HardwareImageSource } from '../hardware/hardware.ts';
import { useImage } from './image-use.ts';
import { selfLink } from './links.ts';
import type { Warning } from './operations.ts';
import { diskType, instanceType, snapshotType } from './resources.ts';
import type { Stored } from './state.ts';

/** What a new image is made of, and what it takes over from there. */
export interface ImageOrigin {
  /** The fields of the image that tell its source. */
  readonly fields: JsonObject;
  /** In GiB; undefined for an archive, which tells it itself. */
  readonly sizeGb: number | undefined;
  readonly warnings: readonly Warning[];
  /** What the hardware makes it of; undefined for an archive, which is unpacked first. */
  readonly hardware: HardwareImageSource | undefined;
  /** The uploaded archive: bucket and object. */
  readonly archive?: { readonly bucket: string; readonly object: string } | undefined;
}

const sources = ['sourceDisk', 'sourceImage', 'sourceSnapshot', 'rawDisk'];

/** Reads the source of a new image, of which there must be exactly one. */
export function readImageSource(call: Call): ImageOrigin {
  const { body } = call;
  const rawDisk = objectOf(body, 'rawDisk');
  const given = sources.filter((name) =>
    name === 'rawDisk' ? textOf(rawDisk, 'source') : textOf(body, name),
  );
  if (given.length !== 1) {
    const which = given.length === 0 ? 'None' : `Several (${given.join(', ')})`;
    throw new ApiError(
      400,
      'invalid',
      `Invalid value for field 'resource': exactly one of ${sources.join(', ')} must be given. ${which} was given.`,
    );
  }
  const disk = textOf(body, 'sourceDisk');
  if (disk) return fromDisk(call, disk);
  const snapshot = textOf(body, 'sourceSnapshot');
  if (snapshot) return fromSnapshot(call, snapshot);
  const image = textOf(body, 'sourceImage');
  if (image) return fromImage(call, image);
  return fromArchive(call, textOf(rawDisk, 'source') ?? '');
}

function fromDisk(call: Call, text: string): ImageOrigin {
  const field = 'resource.sourceDisk';
  const disk = call.referred(field, text, diskType, 'compute.disks.useReadOnly');
  if (disk.resource['status'] !== 'READY') throw resourceNotReady(disk.link);
  const user = textsOf(disk.resource, 'users').at(0);
  if (user && !call.flag('forceCreate') && runs(call, user)) {
    throw resourceInUse('disk', disk.link, user.replace(selfLink(''), ''));
  }
  return {
    fields: {
      sourceDisk: selfLink(disk.link),
      sourceDiskId: disk.resource['id'],
      ...inherited(disk, call.body),
    },
    sizeGb: Number(disk.resource['sizeGb']),
    warnings: [],
    hardware: { kind: 'disk', link: disk.link },
  };
}

function runs(call: Call, instanceLink: string): boolean {
  const [, project = '', , zone = '', , name = ''] = instanceLink
    .replace(selfLink(''), '')
    .split('/');
  const owner = call.world.projects.get(project);
  const instance = owner && instanceType.find(owner, `zones/${zone}`, name);
  return instance !== undefined && !stopped.has(textOf(instance.resource, 'status') ?? '');
}

const stopped = new Set(['TERMINATED', 'SUSPENDED']);

function fromSnapshot(call: Call, text: string): ImageOrigin {
  const field = 'resource.sourceSnapshot';
  const permission = 'compute.snapshots.useReadOnly';
  const snapshot = call.referred(field, text, snapshotType, permission, 'global');
  if (snapshot.resource['status'] !== 'READY') throw resourceNotReady(snapshot.link);
  return {
    fields: {
      sourceSnapshot: selfLink(snapshot.link),
      sourceSnapshotId: snapshot.resource['id'],
      ...inherited(snapshot, call.body),
    },
    sizeGb: Number(snapshot.resource['diskSizeGb']),
    warnings: [],
    hardware: { kind: 'snapshot', link: snapshot.link },
  };
}

function fromImage(call: Call, text: string): ImageOrigin {
  const { image, warnings } = useImage(call, 'resource.sourceImage', text);
  return {
    fields: {
      sourceImage: selfLink(image.link),
      sourceImageId: image.resource['id'],
      ...inherited(image, call.body),
    },
    sizeGb: Number(image.resource['diskSizeGb']),
    warnings,
    hardware: { kind: 'image', link: image.link },
  };
}

/** What an image takes over from its source unless the request says otherwise; features are added up. */
function inherited({ resource }: Stored, body: JsonObject): JsonObject {
  const lists = ['licenses', 'licenseCodes', 'guestOsFeatures'].map((key) => {
    const both = [resource[key], body[key]].flatMap((list) => (isJsonArray(list) ? list : []));
    const distinct = new Map(both.map((item) => [JSON.stringify(item), item]));
    return [key, distinct.size > 0 ? [...distinct.values()] : undefined] as const;
  });
  return {
    architecture: textOf(body, 'architecture') ?? resource['architecture'],
    ...Object.fromEntries(lists),
  };
}

const objectAddress =
  /^(?:https?:\/\/(?:storage\.googleapis\.com|storage\.cloud\.google\.com|commondatastorage\.googleapis\.com)\/|gs:\/\/)([^/]+)\/(.+)$/;
const apiAddress =
  /^https?:\/\/(?:www|storage)\.googleapis\.com\/(?:download\/)?storage\/v1\/b\/([^/]+)\/o\/([^/?]+)$/;

function fromArchive(call: Call, source: string): ImageOrigin {
  if (/artifactregistry|^projects\/[^/]+\/locations\//.test(source)) {
    throw notEmulated('An image of an Artifact Registry version');
  }
  const match = apiAddress.exec(source) ?? objectAddress.exec(source);
  const [, bucket, object] = match ?? [];
  if (!bucket || !object) {
    throw invalid('resource.rawDisk.source', source, 'The URL is malformed.');
  }
  const owner = call.world.objects.buckets.get(bucket)?.project;
  if (owner) call.permit('storage.objects.get', owner);
  return {
    fields: { rawDisk: { source, containerType: 'TAR' } },
    sizeGb: undefined,
    warnings: [],
    hardware: undefined,
    archive: { bucket, object: decodeURIComponent(object) },
  };
}
