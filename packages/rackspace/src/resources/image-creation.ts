import { createHash, randomUUID } from 'node:crypto';

import {
  ImgkitError,
  type CreateImageRequest,
  type Image,
  type OperationControl,
} from '@imgkit/core';

import { statusOf } from '../errors.ts';
import { propertyOf, type GlanceImage } from '../glance/glance-image.ts';
import { properties, toImage } from '../mapping.ts';
import type { CloudContext } from './context.ts';
import { findImage } from './image-access.ts';
import { removeImage } from './image-deletion.ts';
import { BrokenUpload, fillImage, type Filled, type ImageData } from './image-filling.ts';
import { finishImage } from './image-finish.ts';
import { listImages } from './image-listing.ts';
import { Abandoned, awaitImage } from './image-waiting.ts';
import { removeCopy } from './volume-copy.ts';

/** A new image, checked. */
export interface ImageCreation {
  readonly operation: string;
  readonly request: Omit<CreateImageRequest, 'source'>;
  /** What is sent to make it, but for its id. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly data: ImageData;
}

/** Deleted images keep their ids, so that a key needs another one each time. */
const maxGenerations = 32;
/** How often an image is asked for, when the calls or their answers are lost, and how long it waits between. */
const maxCalls = 4;
const lostPauseMs = 250;
/** How often an image is begun again, after an upload broke off or its maker died. */
const maxTries = 4;

/** Makes an image and its data: the same key gives the image that is there, or waits for who makes it. */
export async function makeImage(
  context: CloudContext,
  creation: ImageCreation,
  control: OperationControl,
): Promise<Image> {
  if (context.imports !== undefined) return context.imports.make(context, creation, control);
  const { operation, request, data } = creation;
  const key = request.idempotencyKey ?? randomUUID();
  for (let tries = 1; ; tries += 1) {
    const { image, isNew } = await claim(context, creation, key, control.signal);
    const { id } = image;
    control.accepted(`${operation} ${id}`);
    try {
      const made: Filled = isNew
        ? await fillImage(context, id, data, control)
        : { image: await awaitImage(context, id, control) };
      const { signal } = control;
      const finished = await finishImage(context, made.image, { signal, sha256: made.sha256 });
      return toImage(finished, context);
    } catch (error) {
      const again = error instanceof Abandoned || error instanceof BrokenUpload;
      if (isNew || error instanceof Abandoned) await undo(context, id, error);
      else if (control.signal.aborted) throw pending(operation, id, error);
      if (!again || tries >= maxTries) throw again ? error.cause : error;
      control.progress('it begins again');
    }
  }
}

/** The image that a key stands for, made if it isn't there. */
async function claim(
  context: CloudContext,
  { request, body }: ImageCreation,
  key: string,
  signal: AbortSignal,
): Promise<{ readonly image: GlanceImage; readonly isNew: boolean }> {
  const { name, idempotencyKey } = request;
  return context.locks.alone(`image name ${name}`, async () => {
    const ids = Array.from({ length: maxGenerations }, (_, generation) =>
      imageId(context.project, key, generation),
    );
    for (const id of ids) {
      const known =
        idempotencyKey === undefined ? undefined : await findImage(context, id, { signal });
      if (known !== undefined) return { image: known, isNew: false };
      const other = await withName(context, name, id, signal);
      if (other !== undefined) {
        // Made again after an earlier one of the key had to go.
        const later = ids.includes(other) ? await findImage(context, other, { signal }) : undefined;
        if (later !== undefined) return { image: later, isNew: false };
        throw taken(name, other);
      }
      const made = await create(context, { ...body, id }, signal);
      if (made === undefined) continue;
      if (!made.isNew) return made;
      try {
        await checkFree(context, name, id, signal, made.image);
      } catch (error) {
        await undo(context, id, error);
        throw error;
      }
      return made;
    }
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      `the images of key "${key}" were deleted ${maxGenerations} times`,
      { hint: 'Use another idempotency key.' },
    );
  });
}

/**
 * Makes the image; gives the one of another caller that was faster, or nothing when it was deleted once. The id is
 * ours to choose, so that a call whose answer was lost can be made again.
 */
async function create(
  context: CloudContext,
  body: Readonly<Record<string, unknown>> & { readonly id: string },
  signal: AbortSignal,
): Promise<{ readonly image: GlanceImage; readonly isNew: boolean } | undefined> {
  const { id } = body;
  for (let calls = 1; ; calls += 1) {
    try {
      return { image: await context.glance.create(body, { signal }), isNew: true };
    } catch (error) {
      const mayStand = ImgkitError.is(error, 'UNAVAILABLE') || ImgkitError.is(error, 'TIMEOUT');
      if (!mayStand && statusOf(error) !== 409) {
        if (ImgkitError.is(error, 'CANCELLED')) await undo(context, id, error);
        throw error;
      }
      const image = await findImage(context, id, { signal });
      // Whichever was lost, the call or its answer: what stands there after it is ours.
      if (image !== undefined) return { image, isNew: mayStand || calls > 1 };
      if (!mayStand) return undefined;
      if (calls >= maxCalls) throw error;
      const { retryAfterMs = lostPauseMs * 2 ** calls } = error;
      await context.sleep(retryAfterMs, signal);
    }
  }
}

/** An id that depends on the key alone, in the form of a UUID. https://www.rfc-editor.org/rfc/rfc9562 (version 8) */
export function imageId(project: string, key: string, generation: number): string {
  const hex = createHash('sha256')
    .update(JSON.stringify([project, key, generation]))
    .digest('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `a${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}

/**
 * Refuses a name that another image has: names aren't unique in Glance. Of two that are made at the same
 * time, the older one stays.
 */
export async function checkFree(
  context: CloudContext,
  name: string,
  id: string,
  signal: AbortSignal,
  mine?: GlanceImage,
): Promise<void> {
  const other = await withName(context, name, id, signal, mine);
  if (other !== undefined) throw taken(name, other);
}

/** The id of another image of a name; with `mine`, of one that is older. */
async function withName(
  context: CloudContext,
  name: string,
  id: string,
  signal: AbortSignal,
  mine?: GlanceImage,
): Promise<string | undefined> {
  // What is made at the same time isn't hidden yet.
  const filter = mine === undefined ? { name } : { name, states: ['ACTIVE'] as const };
  for await (const other of listImages(context, 'images.create', filter, { signal })) {
    if (other.ref.id === id || other.status === 'DELETING') continue;
    const isOlder =
      mine === undefined || order(other.createdAt, other.ref.id) < order(mine.created_at, id);
    if (isOlder) return other.ref.id;
  }
  return undefined;
}

function taken(name: string, other: string): ImgkitError {
  return new ImgkitError('ALREADY_EXISTS', `there is an image "${name}" already`, {
    resource: other,
    hint: 'Choose another name, or delete that image.',
  });
}

function order(createdAt: string, id: string): string {
  return `${createdAt} ${id}`;
}

/** Deletes what a failed call has made; says so when it can't. */
export async function undo(context: CloudContext, id: string, reason: unknown): Promise<void> {
  try {
    const image = await findImage(context, id);
    await removeImage(context, id);
    const copy = image && propertyOf(image, properties.copy);
    if (copy) await removeCopy(context, copy);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ImgkitError('CLEANUP_FAILED', `image "${id}" could not be deleted: ${why}`, {
      resource: id,
      leftovers: [{ provider: context.provider, kind: 'image', id, reason: why }],
      hint: 'Delete it by hand.',
      cause: reason,
    });
  }
}

/** What somebody else makes goes on when our waiting for it ends. */
function pending(operation: string, id: string, cause: unknown): ImgkitError {
  return new ImgkitError('PENDING', `image "${id}" is being made by another call`, {
    resource: id,
    token: `${operation} ${id}`,
    hint: 'Go on waiting for it with provider.resume(token).',
    cause,
  });
}
