import { randomUUID } from 'node:crypto';

import {
  ImgkitError,
  ownershipLabels,
  type CreateImageRequest,
  type Image,
  type ImageSource,
  type OperationControl,
} from '@imgkit/core';

import { statusOf } from '../errors.ts';
import { attachedVolumes } from '../instances/attached-volumes.ts';
import { imageOf } from '../instances/server-image.ts';
import { changePower } from '../instances/power.ts';
import { findServer, knownServer, serverFault } from '../instances/server-state.ts';
import { isOurs, labelProperty, properties, toImage } from '../mapping.ts';
import type { NovaServer } from '../nova/nova-server.ts';
import type { CloudContext } from './context.ts';
import { findImage } from './image-access.ts';
import { draftProperties } from './image-body.ts';
import { cleanedImage } from './image-cleaning.ts';
import { checkFree, undo } from './image-creation.ts';
import { finishImage } from './image-finish.ts';
import { imageWithKey, keyDigest } from './image-key.ts';
import { thisProcess } from './image-maker.ts';
import { imageOfVolume } from './volume-image.ts';

/** An image of the boot disk of an instance. */
export type CaptureRequest = CreateImageRequest & {
  readonly source: ImageSource & { readonly kind: 'instance' };
};

/** Nova takes values of up to 255 characters. */
const maxMetadata = 255;

/**
 * Makes an image of a server. The cloud chooses its id, and gives it all that the server's own image had:
 * what of that was ours is taken off again before the image is READY. Of a server that boots from a volume, which
 * Nova only snapshots, it is made by Cinder.
 */
export async function captureServer(
  context: CloudContext,
  request: CaptureRequest,
  control: OperationControl,
): Promise<Image> {
  const { signal } = control;
  const { instance } = request.source;
  const known = await findServer(context, instance, { signal });
  if (known !== undefined && imageOf(known) === undefined) {
    const disk = () => bootVolume(context, request.source, signal);
    return imageOfVolume(context, request, disk, control);
  }
  const key = keyDigest(context.project, request.idempotencyKey ?? randomUUID());
  const { id, isNew } = await context.locks.alone(`image name ${request.name}`, () =>
    begin(context, request, key, signal),
  );
  control.accepted(`images.create ${id}`);
  control.progress('the cloud copies the disk');
  try {
    await awaitCapture(context, id, instance, signal);
    const image = await cleanedImage(context, id, { request, key }, signal);
    return toImage(await finishImage(context, image, control), context);
  } catch (error) {
    if (isNew) await undo(context, id, error);
    throw error;
  }
}

async function begin(
  context: CloudContext,
  request: CaptureRequest,
  key: string,
  signal: AbortSignal,
): Promise<{ readonly id: string; readonly isNew: boolean }> {
  const { name, source } = request;
  const known = await imageWithKey(context, key, signal);
  if (known !== undefined) return { id: known.id, isNew: false };
  await checkFree(context, name, '', signal);
  const server = await ready(context, source, signal);
  const metadata = await firstMetadata(context, request, server, key, signal);
  try {
    const id = await context.nova.createImage(server.id, { name, metadata }, { signal });
    return { id, isNew: true };
  } catch (error) {
    // The answer was lost, or another process was faster: the key tells. A refusal comes after the image was
    // made, too: nobody will ever fill that one.
    const made = await imageWithKey(context, key, undefined).catch(() => undefined);
    const isMine = made?.[properties.maker] === thisProcess();
    const isBusy = statusOf(error) === 409 || /UnexpectedTaskState/.test(String(error));
    const isLost =
      !isBusy && (ImgkitError.is(error, 'UNAVAILABLE') || ImgkitError.is(error, 'TIMEOUT'));
    if (made !== undefined && (isLost || !isMine)) return { id: made.id, isNew: isMine };
    if (made !== undefined) await undo(context, made.id, error);
    if (isBusy)
      throw new ImgkitError('UNAVAILABLE', `instance "${server.id}" is busy`, {
        resource: server.id,
        hint: 'Another image is being made of it, or it changes its state: try again later.',
        cause: error,
      });
    throw error;
  }
}

/** The server, as its disk may be taken. */
async function ready(
  context: CloudContext,
  { instance, whenRunning = 'refuse' }: CaptureRequest['source'],
  signal: AbortSignal,
): Promise<NovaServer> {
  const server = await knownServer(context, instance, { signal });
  if (server.status === 'SHUTOFF' || whenRunning === 'flush') return server;
  if (whenRunning === 'refuse')
    throw new ImgkitError('FAILED_PRECONDITION', `instance "${instance}" is ${server.status}`, {
      resource: instance,
      hint: 'Stop it first, or say what shall happen: whenRunning: "stop" or "flush".',
    });
  return changePower(context, instance, 'stop', { signal });
}

/** The volume that a server boots from, as it may be taken. */
async function bootVolume(
  context: CloudContext,
  source: CaptureRequest['source'],
  signal: AbortSignal,
): Promise<CreateImageRequest['source'] & { readonly kind: 'disk' }> {
  const server = await ready(context, source, signal);
  const volumes = await attachedVolumes(context, server, { signal });
  const boot = volumes.find((one) => one.boot);
  if (boot !== undefined) return { kind: 'disk', disk: boot.native.id };
  throw new ImgkitError('UNSUPPORTED', `instance "${server.id}" has no disk to be taken`, {
    resource: server.id,
    hint: 'The cloud says that it boots from a volume, and that it has none.',
  });
}

/** What the image is to have from the first moment; what it would inherit of ours is made void. */
async function firstMetadata(
  context: CloudContext,
  request: CaptureRequest,
  server: NovaServer,
  key: string,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const parent = imageOf(server);
  const known = parent === undefined ? undefined : await findImage(context, parent, { signal });
  const inherited = Object.keys(known ?? {}).filter(isOurs);
  const metadata: Record<string, string> = {};
  for (const name of inherited) metadata[name] = '';
  metadata[properties.description] = '';
  for (const label of Object.values(ownershipLabels)) metadata[labelProperty(label)] = '';
  const drafted = {
    ...draftProperties(request, context.provider, { parent }),
    [properties.key]: key,
  };
  for (const [name, value] of Object.entries(drafted)) {
    if (value.length <= maxMetadata) metadata[name] = value;
  }
  return metadata;
}

/** Waits until the image of a server has its data, and the server is free again. */
export async function awaitCapture(
  context: CloudContext,
  id: string,
  instance: string,
  signal: AbortSignal,
): Promise<void> {
  await context.poll(async () => {
    const image = await findImage(context, id, { signal });
    if (
      image === undefined ||
      !['queued', 'saving', 'active', 'deactivated'].includes(image.status)
    )
      throw new ImgkitError(
        'OPERATION_FAILED',
        `the cloud made no image of instance "${instance}": it is ${image?.status ?? 'gone'}`,
        { resource: instance, hint: 'See the instance’s own list of actions for the reason.' },
      );
    const server = await findServer(context, instance, { signal });
    if (server?.status === 'ERROR') throw serverFault(server);
    const isFree = !server?.['OS-EXT-STS:task_state']?.startsWith('image_');
    if (isFree && (image.status === 'active' || image.status === 'deactivated')) return true;
    // A server that does nothing any more makes no image.
    if (
      isFree &&
      server !== undefined &&
      image.status === 'queued' &&
      (await isIdle(context, id, signal))
    )
      throw new ImgkitError('OPERATION_FAILED', `instance "${instance}" gave up making an image`, {
        resource: instance,
        hint: 'See the instance’s own list of actions for the reason.',
      });
    return undefined;
  }, signal);
}

/** Between the acceptance and the first byte both may look idle for a moment. */
async function isIdle(context: CloudContext, id: string, signal: AbortSignal): Promise<boolean> {
  await context.sleep(5_000, signal);
  return (await findImage(context, id, { signal }))?.status === 'queued';
}
