import {
  ImgkitError,
  type Architecture,
  type CallOptions,
  type CreateImageRequest,
  type ImageSource,
  type OperationControl,
} from '@imgkit/core';

import { flag, objects, text, type WireObject } from '../api/wire.ts';
import type { GceContext } from '../context.ts';
import { parseIdOf, shortId, urlOf, zoneOf } from '../resources/resource-id.ts';
import { usableImage, usableSnapshot } from '../resources/sources.ts';

/** Puts disk files of this machine where Google can read them. */
export interface FileUploads {
  /**
   * Uploads a disk file as the archive that Google makes images of, and gives its address:
   * `https://storage.googleapis.com/bucket/object.tar.gz`.
   *
   * @throws ImgkitError with `NOT_FOUND`, with `INVALID_ARGUMENT` if it is no disk, with
   *   `FAILED_PRECONDITION` if there is no bucket for it.
   */
  upload(
    file: string,
    request: Pick<CreateImageRequest, 'name' | 'idempotencyKey' | 'labels'>,
    control: OperationControl,
  ): Promise<string>;

  /** Removes what was uploaded, by its address; removing what is gone succeeds. */
  remove(address: string, options?: CallOptions): Promise<void>;
}

/** What a new image is made of, as the fields of the request. */
export interface PreparedSource {
  readonly fields: WireObject;
  /** Whether the disk is taken as it is while a machine uses it. */
  readonly force: boolean;
  readonly architecture?: Architecture | undefined;
  /** The address of what was uploaded for it, and is to be removed when the image stands. */
  readonly uploaded?: string | undefined;
}

type Request = Pick<CreateImageRequest, 'name' | 'idempotencyKey' | 'labels'>;

/**
 * Checks a source and makes it ready: stops a machine, or uploads a file, if it must.
 *
 * @throws ImgkitError as `images.create` does for its source.
 */
export async function prepareSource(
  context: GceContext,
  uploads: FileUploads | undefined,
  source: ImageSource,
  request: Request,
  control: OperationControl,
): Promise<PreparedSource> {
  switch (source.kind) {
    case 'disk':
      return { fields: { sourceDisk: urlOf(diskId(source.disk)) }, force: false };
    case 'snapshot': {
      const { id, architecture } = await usableSnapshot(context, source.snapshot, control);
      return { fields: { sourceSnapshot: urlOf(id) }, force: false, architecture };
    }
    case 'image': {
      const { id, architecture } = await usableImage(context, source.image, control);
      return { fields: { sourceImage: urlOf(id) }, force: false, architecture };
    }
    case 'file':
      return prepareFile(uploads, source.file, request, control);
    case 'instance':
      return prepareInstance(context, source, control);
    default: {
      const { kind } = source satisfies never as { readonly kind: string };
      throw new ImgkitError('UNSUPPORTED', `no image can be made of a ${kind}`, {
        hint: 'Make it of a disk, a snapshot, an image, a file or an instance.',
      });
    }
  }
}

/** An archive in Cloud Storage is read where it is; a file of this machine is uploaded first. */
async function prepareFile(
  uploads: FileUploads | undefined,
  file: string,
  request: Request,
  control: OperationControl,
): Promise<PreparedSource> {
  const address = addressOf(file);
  if (address !== undefined) return { fields: rawDisk(address), force: false };
  if (uploads === undefined)
    throw new ImgkitError('FAILED_PRECONDITION', `${file} can't be uploaded: there is no bucket`, {
      resource: file,
      hint: 'Say which bucket takes uploads: gce({ bucket: "acme-uploads" }).',
    });
  const uploaded = await uploads.upload(file, request, control);
  return { fields: rawDisk(uploaded), force: false, uploaded };
}

function rawDisk(source: string): WireObject {
  return { rawDisk: { source, containerType: 'TAR' } };
}

function addressOf(file: string): string | undefined {
  if (file.startsWith('gs://'))
    return `https://storage.googleapis.com/${file.slice('gs://'.length)}`;
  return /^https?:\/\//.test(file) ? file : undefined;
}

async function prepareInstance(
  context: GceContext,
  { instance: id, whenRunning = 'refuse' }: Extract<ImageSource, { kind: 'instance' }>,
  control: OperationControl,
): Promise<PreparedSource> {
  const found = parseIdOf('instances', id);
  const zone = zoneOf(found?.scope ?? '');
  if (found === undefined || zone === undefined)
    throw new ImgkitError('NOT_FOUND', `"${id}" is not the id of an instance`, {
      resource: id,
      hint: 'Ids look like projects/acme/zones/us-central1-a/instances/web-1.',
    });
  const request = { project: found.project, zone, instance: found.name };
  const native = await context.client.read(
    { service: 'instances', method: 'get', request },
    control,
  );
  const disk = objects(native, 'disks').find((one) => flag(one, 'boot'));
  const source = text(disk, 'source');
  if (source === undefined)
    throw new ImgkitError('FAILED_PRECONDITION', `instance "${id}" has no boot disk of its own`, {
      resource: id,
      hint: 'Make the image of one of its disks.',
    });
  const fields = { sourceDisk: urlOf(source) };
  const status = text(native, 'status') ?? '';
  if (status === 'TERMINATED' || status === 'SUSPENDED') return { fields, force: false };
  if (whenRunning === 'refuse')
    throw new ImgkitError('FAILED_PRECONDITION', `instance "${id}" is ${status}, not stopped`, {
      resource: id,
      hint: 'Stop it, or say what shall happen to it: whenRunning: "stop" or "flush".',
    });
  // Google has no call that flushes a disk for an image: it is taken as after a power failure.
  if (whenRunning === 'flush') return { fields, force: true };
  control.progress('stopping the instance');
  const stop = { service: 'instances', method: 'stop', request, target: id } as const;
  const started = await context.client.start(stop, control);
  await context.client.wait(started, control);
  return { fields, force: false };
}

function diskId(id: string): string {
  if (parseIdOf('disks', id) !== undefined) return shortId(id);
  throw new ImgkitError('NOT_FOUND', `"${id}" is not the id of a disk`, {
    resource: id,
    hint: 'Ids look like projects/acme/zones/us-central1-a/disks/data-1.',
  });
}
