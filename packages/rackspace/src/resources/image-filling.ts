import { ImgkitError, type OperationControl } from '@imgkit/core';

import { propertyOf, type GlanceImage } from '../glance/glance-image.ts';
import { importHasFailed } from '../mapping.ts';
import type { CloudContext } from './context.ts';
import type { DiskSource } from './disk-source.ts';
import { findImage } from './image-access.ts';
import { checkArrival, upload } from './upload.ts';

/** Where an image's data comes from. */
export type ImageData =
  /** From here. */
  | { readonly kind: 'upload'; readonly disk: DiskSource; readonly digest?: string | undefined }
  /** From an address that the cloud can reach. */
  | { readonly kind: 'download'; readonly uri: string };

/** An upload whose connection broke; the same data may be sent to another image. */
export class BrokenUpload extends Error {
  constructor(cause: unknown) {
    super('the upload broke off', { cause });
  }
}

/** How long the cloud may take to see that an upload broke off, in milliseconds. */
const noticeMs = 10_000;
/** How long the cloud may be away after an upload broke off, in milliseconds. */
const returnMs = 300_000;

/**
 * Brings data into an image that this call has made. Nobody else may: Glance lets two upload to one image,
 * and removes the data of both when one of them fails.
 *
 * @throws {@link BrokenUpload}, or an error that says why there is no data.
 */
export async function fillImage(
  context: CloudContext,
  id: string,
  data: ImageData,
  control: OperationControl,
): Promise<GlanceImage> {
  if (data.kind === 'download') return fetched(context, id, data.uri, control);
  const { disk, digest } = data;
  const { signal, progress } = control;
  try {
    const sent = await upload(context, id, disk, { signal, progress, digest });
    const image = await context.glance.get(id, { signal });
    checkArrival(image, sent);
    return image;
  } catch (error) {
    if (!ImgkitError.is(error, 'UNAVAILABLE') || !disk.isRepeatable) throw error;
    await settled(context, id, signal);
    throw new BrokenUpload(error);
  }
}

/**
 * Waits until the cloud is there again, and has seen that an upload broke off. It doesn't see it when it was
 * killed over it.
 */
async function settled(context: CloudContext, id: string, signal: AbortSignal): Promise<void> {
  const { clock } = context;
  const absent = clock.now() + returnMs;
  let end: number | undefined;
  await context.poll(async () => {
    try {
      const image = await findImage(context, id, { signal });
      end ??= clock.now() + noticeMs;
      return image?.status !== 'saving' || clock.now() > end ? true : undefined;
    } catch (error) {
      if (!ImgkitError.is(error, 'UNAVAILABLE') || clock.now() > absent) throw error;
      return undefined;
    }
  }, signal);
}

async function fetched(
  context: CloudContext,
  id: string,
  uri: string,
  { signal, progress }: OperationControl,
): Promise<GlanceImage> {
  progress('the cloud fetches the disk');
  await context.glance.importFrom(id, uri, { signal });
  return context.poll(async () => {
    const image = await findImage(context, id, { signal });
    if (image?.status === 'active') return image;
    if (image === undefined || !isImporting(image)) {
      const why = image && (await context.glance.importFailure(id, { signal }));
      throw noData(image ?? { id, status: 'deleted' }, why);
    }
    return undefined;
  }, signal);
}

/** Whether the cloud still works on an import, or has not begun. */
function isImporting(image: GlanceImage): boolean {
  if (image.status === 'importing' || image.status === 'saving') return true;
  const isBegun = Boolean(propertyOf(image, 'os_glance_importing_to_stores'));
  const isLocked = propertyOf(image, 'os_glance_import_task') !== undefined;
  return (image.status === 'queued' && (isBegun || isLocked)) || !importHasFailed(image);
}

/** The error for an image that got no data. */
export function noData(
  { id, status }: Pick<GlanceImage, 'id' | 'status'>,
  why?: string,
): ImgkitError {
  return new ImgkitError(
    'OPERATION_FAILED',
    `image "${id}" got no data: ${why ?? `the cloud says that it is ${status}`}`,
    { resource: id, hint: 'Check that the cloud can read the source, and has the space.' },
  );
}
