import { ImgkitError, type OperationControl } from '@imgkit/core';

import type { GlanceImage } from '../glance/glance-image.ts';
import type { CloudContext } from './context.ts';
import type { DiskSource } from './disk-source.ts';
import { findImage } from './image-access.ts';
import { importImage } from './image-import.ts';
import { checkArrival, upload, type Sent } from './upload.ts';

/** Where an image's data comes from. */
export type ImageData =
  /** From here. */
  | (Targets & {
      readonly kind: 'upload';
      readonly disk: DiskSource;
      readonly digest?: string | undefined;
      /** Whether the cloud imports it from where it was staged. */
      readonly staged?: boolean | undefined;
    })
  /** From an address that the cloud can reach. */
  | (Targets & { readonly kind: 'download'; readonly uri: string });

interface Targets {
  /** The stores that shall have it; the cloud's choice otherwise. */
  readonly stores?: readonly string[] | undefined;
}

/** An image that has its data. */
export interface Filled {
  readonly image: GlanceImage;
  /** Of the data, in hexadecimal, where it went through here. */
  readonly sha256?: string | undefined;
}

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
): Promise<Filled> {
  if (data.kind === 'download') {
    const { uri, stores } = data;
    return {
      image: await importImage(context, id, { method: 'web-download', uri, stores }, control),
    };
  }
  const [first, ...others] = data.stores ?? [];
  const filled = await uploaded(
    context,
    id,
    { ...data, stores: first === undefined ? undefined : [first] },
    control,
  );
  if (others.length === 0) return filled;
  const copied = await importImage(context, id, { method: 'copy-image', stores: others }, control);
  return { ...filled, image: copied };
}

async function uploaded(
  context: CloudContext,
  id: string,
  { disk, digest, stores, staged = false }: ImageData & { readonly kind: 'upload' },
  control: OperationControl,
): Promise<Filled> {
  const { signal, progress } = control;
  let all: Sent | undefined;
  const onSent = (sent: Sent): void => void (all = sent);
  const how = { signal, progress, digest, onSent, staged, store: staged ? undefined : stores?.[0] };
  try {
    const sent = await upload(context, id, disk, how);
    if (staged) {
      const image = await importImage(context, id, { method: 'glance-direct', stores }, control);
      // What the cloud has converted is something else now.
      return image.disk_format === disk.format ? arrived(image, sent) : { image };
    }
    return arrived(await context.glance.get(id, { signal }), sent);
  } catch (error) {
    const isBroken = ImgkitError.is(error, 'UNAVAILABLE') || ImgkitError.is(error, 'TIMEOUT');
    if (!isBroken || (all === undefined && !disk.isRepeatable)) throw error;
    await settled(context, id, signal);
    // It may have been the answer alone that was lost.
    const image = all && (await findImage(context, id, { signal }));
    if (all !== undefined && image?.status === 'active') return arrived(image, all);
    throw disk.isRepeatable ? new BrokenUpload(error) : error;
  }
}

function arrived(image: GlanceImage, sent: Sent): Filled {
  checkArrival(image, sent);
  return { image, sha256: sent.digests['sha256'] };
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
