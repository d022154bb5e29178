import { randomUUID } from 'node:crypto';

import {
  ImgkitError,
  throwIfAborted,
  type CallOptions,
  type CreateImageRequest,
  type Image,
  type ImageSource,
  type OperationControl,
} from '@imgkit/core';

import type { CinderVolume } from '../cinder/cinder-volume.ts';
import { isOurs, properties, toImage } from '../mapping.ts';
import { knownStored } from '../volumes/volume-access.ts';
import { makeStored } from '../volumes/volume-creation.ts';
import { fromGib, snapshotKind, toDisk, toStatus, volumeKind } from '../volumes/volume-kind.ts';
import type { CloudContext } from './context.ts';
import { findImage } from './image-access.ts';
import { draftProperties } from './image-body.ts';
import { cleanedImage, tellsOfServer } from './image-cleaning.ts';
import { checkFree, undo } from './image-creation.ts';
import { finishImage } from './image-finish.ts';
import { imageWithKey, keyDigest } from './image-key.ts';
import { thisProcess } from './image-maker.ts';
import { checkImageOptions } from './image-options.ts';
import { invalid } from './rules.ts';
import { removeCopy } from './volume-copy.ts';

/** What Cinder makes images of. */
export type VolumeSource = ImageSource & { readonly kind: 'disk' | 'snapshot' };

/** Cinder takes values of up to 255 characters. */
const maxMetadata = 255;

/**
 * Makes an image of what a disk or a snapshot holds. Cinder makes images of volumes that nobody uses, with the
 * properties that are noted on the volume. So a copy is made first, which carries the image's labels and, from the
 * first moment on, what the image is to have; it goes when the image is READY, or with it.
 *
 * @param find - Gives the source; it isn't asked when the image stands already.
 */
export async function imageOfVolume(
  context: CloudContext,
  request: CreateImageRequest,
  find: () => Promise<VolumeSource> | VolumeSource,
  control: OperationControl,
): Promise<Image> {
  const { signal } = control;
  const { diskFormat = 'raw', stores, staged } = checkImageOptions(request.providerOptions);
  if (stores !== undefined || staged !== undefined)
    throw invalid(
      'the cloud itself puts the image of a disk where it shall be',
      'Leave stores and staged out.',
    );
  const key = keyDigest(context.project, request.idempotencyKey ?? randomUUID());
  const { id, isNew } = await context.locks.alone(`image name ${request.name}`, async () => {
    const known = await imageWithKey(context, key, signal);
    if (known !== undefined) return { id: known.id, isNew: false };
    await checkFree(context, request.name, '', signal);
    const copy = await makeCopy(context, request, await find(), { key, control });
    try {
      return await begin(context, copy, { request, key, diskFormat }, signal);
    } catch (error) {
      await removeCopy(context, copy.id);
      throw error;
    }
  });
  control.accepted(`images.create ${id}`);
  control.progress('the cloud copies the disk');
  try {
    await awaitData(context, id, signal);
    const image = await cleanedImage(
      context,
      id,
      { request, key, more: { visibility: 'private' } },
      signal,
    );
    return toImage(await finishImage(context, image, control), context);
  } catch (error) {
    if (isNew) await undo(context, id, error);
    throw error;
  }
}

/** A volume that nobody uses, with what the source holds; once for a key. */
async function makeCopy(
  context: CloudContext,
  { name, labels }: CreateImageRequest,
  source: VolumeSource,
  { key, control }: { readonly key: string; readonly control: OperationControl },
): Promise<CinderVolume> {
  const { id, size, status, image } = await found(context, source, control);
  if (toStatus(status) !== 'READY')
    throw new ImgkitError('FAILED_PRECONDITION', `${source.kind} "${id}" is ${status}`, {
      resource: id,
      hint: 'Wait until it stands.',
    });
  const copyName = `image ${key.slice(0, 16)} of ${name.replaceAll(/[/\\]/g, '-')}`
    .slice(0, 250)
    .trim();
  const made = makeStored(
    context,
    volumeKind,
    {
      name: copyName,
      labels,
      idempotencyKey: `image ${key}`,
      image,
      make: (metadata, signal) =>
        context.cinder.createVolume(
          {
            name: copyName,
            size,
            metadata,
            ...(source.kind === 'disk' ? { source_volid: id } : { snapshot_id: id }),
          },
          { signal },
        ),
    },
    { ...control, accepted: () => undefined },
  );
  return made.catch(async (error: unknown) => {
    // Who ends the waiting for the image wants nothing of it.
    if (ImgkitError.is(error, 'PENDING') && error.resource !== undefined)
      await removeCopy(context, error.resource);
    throwIfAborted(control.signal);
    throw error;
  });
}

/** The source as it stands, and the image that a volume was made of. */
async function found(
  context: CloudContext,
  source: VolumeSource,
  options: CallOptions,
): Promise<Pick<CinderVolume, 'id' | 'size' | 'status'> & { readonly image?: string | undefined }> {
  if (source.kind === 'snapshot')
    return knownStored(context, snapshotKind, source.snapshot, options).then(
      ({ id, size, status }) => ({ id, size, status }),
    );
  const volume = await knownStored(context, volumeKind, source.disk, options);
  const { id, size, status } = volume;
  return { id, size, status, image: toDisk(volume, context.provider).image?.id };
}

/** Has Cinder begin; what the image is to have is said before. */
async function begin(
  context: CloudContext,
  copy: CinderVolume,
  {
    request,
    key,
    diskFormat,
  }: {
    readonly request: CreateImageRequest;
    readonly key: string;
    readonly diskFormat: string;
  },
  signal: AbortSignal,
): Promise<{ readonly id: string; readonly isNew: boolean }> {
  const options = { signal };
  const inherited = Object.keys(copy.volume_image_metadata ?? {});
  const wanted: Record<string, string> = {};
  for (const name of inherited)
    if (isOurs(name) || name === properties.description) wanted[name] = '';
  const drafted = {
    ...draftProperties(request, context.provider, {
      parent: toDisk(copy, context.provider).image?.id,
    }),
    [properties.key]: key,
    [properties.copy]: copy.id,
    // Of other formats the cloud doesn't always tell it.
    ...(diskFormat !== 'raw' && { [properties.diskSize]: String(fromGib(copy.size)) }),
  };
  for (const [name, value] of Object.entries(drafted))
    if (value.length <= maxMetadata) wanted[name] = value;
  await context.cinder.setImageProperties(copy.id, wanted, options);
  for (const name of inherited.filter(tellsOfServer))
    await context.cinder.removeImageProperty(copy.id, name, options).catch((error: unknown) => {
      if (!ImgkitError.is(error, 'NOT_FOUND')) throw error;
    });
  const { name } = request;
  let id: string;
  try {
    id = await context.cinder.makeImage(copy.id, { name, diskFormat }, options);
  } catch (error) {
    // The answer was lost, or another process was faster: the key tells.
    const made = await imageWithKey(context, key, undefined).catch(() => undefined);
    if (made === undefined) throw error;
    return { id: made.id, isNew: made[properties.maker] === thisProcess() };
  }
  const first = await imageWithKey(context, key, signal);
  if (first === undefined || first.id === id) return { id, isNew: true };
  await undo(context, id, undefined);
  return { id: first.id, isNew: false };
}

/** Waits until an image of a volume has its data. */
async function awaitData(context: CloudContext, id: string, signal: AbortSignal): Promise<void> {
  const options: CallOptions = { signal };
  let copy: string | undefined;
  await context.poll(async () => {
    const image = await findImage(context, id, options);
    const noted: unknown = image?.[properties.copy];
    if (typeof noted === 'string') copy = noted;
    if (image?.status === 'active' || image?.status === 'deactivated') return true;
    if (image?.status === 'queued' || image?.status === 'saving') return undefined;
    const why = copy === undefined ? undefined : await context.cinder.reason(copy, options);
    throw new ImgkitError(
      'OPERATION_FAILED',
      `the cloud made no image of the disk: ${why ?? `it is ${image?.status ?? 'gone'}`}`,
      { resource: id, hint: 'Try again; if it stays so, ask who runs the cloud.' },
    );
  }, signal);
}
