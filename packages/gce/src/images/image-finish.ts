import {
  ifThere,
  ImgkitError,
  type CreateImageRequest,
  type Json,
  type OperationControl,
} from '@imgkit/core';
import * as z from 'zod';

import { text, textMap, type WireObject } from '../api/wire.ts';
import type { GceContext } from '../context.ts';
import { changeLabels, deprecateImage, imageCall, patchImage, readImage } from './image-changes.ts';
import { deprecationBlock } from './image-request.ts';
import { pendingLabel, publishedLabel, without } from '../resources/labels.ts';

const schema = z.object({
  /** The family to publish to. */
  publish: z.string().optional(),
  /** The address of a file that was uploaded for the image. */
  uploaded: z.string().optional(),
  deprecation: z
    .object({
      state: z.enum(['ACTIVE', 'DEPRECATED', 'OBSOLETE', 'DELETED']),
      replacement: z.object({ provider: z.string(), id: z.string() }).optional(),
      dates: z
        .object({
          deprecated: z.string().optional(),
          obsolete: z.string().optional(),
          deleted: z.string().optional(),
        })
        .optional(),
    })
    .optional(),
});

/** What is to be done with an image once its data stands, as it is written into a token. */
export type Finish = z.infer<typeof schema>;

/**
 * What is left to do of a request once the image is READY.
 *
 * @throws ImgkitError with `INVALID_ARGUMENT` for a deprecation that Google can't keep.
 */
export function toFinish(
  provider: string,
  { family, staged, deprecation }: CreateImageRequest,
  uploaded?: string,
): Finish & Json {
  if (deprecation !== undefined) deprecationBlock(provider, deprecation);
  const finish: unknown = JSON.parse(
    JSON.stringify({ publish: staged === true ? undefined : family, deprecation, uploaded }),
  );
  return schema.and(z.json()).parse(finish);
}

/** Reads it from a token. */
export function readFinish(rest: Json): Finish {
  return schema.safeParse(rest).data ?? {};
}

/**
 * Waits until an image is READY, then deprecates and publishes it as its request said, and last takes the mark
 * away that something was left to do. Whoever comes after a crash can do it again. Aborting ends the waiting only:
 * what is left then takes a moment, and half of it would be nothing that anybody asked for.
 *
 * @returns The image.
 * @throws ImgkitError with `OPERATION_FAILED` if the image can't become READY; then it is deleted.
 */
export async function finishImage(
  context: GceContext,
  id: string,
  { publish, deprecation }: Finish,
  control: OperationControl,
): Promise<WireObject> {
  const image = await waitUntilReady(context, id, control);
  if (textMap(image, 'labels')[pendingLabel] === undefined) return image;
  // Before the family: what isn't ACTIVE must never be seen as the head.
  if (deprecation !== undefined) await deprecateImage(context, id, deprecation);
  if (publish !== undefined) await patchImage(context, id, { family: publish });
  const now = String(context.clock.now());
  await changeLabels(context, id, (labels) => ({
    ...without(labels, pendingLabel),
    ...(publish !== undefined && { [publishedLabel]: now }),
  }));
  return readImage(context, id);
}

/** An operation may have ended that isn't ours, or has been forgotten: the image itself says when it stands. */
async function waitUntilReady(
  context: GceContext,
  id: string,
  control: OperationControl,
): Promise<WireObject> {
  for (let delayMs = 200; ; delayMs = Math.min(delayMs * 2, 10_000)) {
    const image = await readImage(context, id, control);
    const status = text(image, 'status') ?? 'PENDING';
    if (status === 'READY') return image;
    if (status === 'FAILED') throw await failed(context, id);
    if (status === 'DELETING')
      throw new ImgkitError('NOT_FOUND', `image "${id}" is being deleted`, {
        resource: id,
        hint: 'Wait until it is gone, then make it again.',
      });
    await context.clock.sleep(delayMs, control.signal);
  }
}

async function failed(context: GceContext, id: string): Promise<ImgkitError> {
  await removeFailed(context, id);
  return new ImgkitError('OPERATION_FAILED', `image "${id}" could not be made`, {
    resource: id,
    hint: 'It was deleted again; look at the operations of the project for the reason.',
  });
}

/** Removes an image that could not be made: Google leaves it standing as FAILED, which takes its name. */
export async function removeFailed(context: GceContext, id: string): Promise<void> {
  const image = await ifThere(() => readImage(context, id));
  if (text(image, 'status') !== 'FAILED') return;
  const call = { ...imageCall(id), method: 'delete', target: id };
  await ifThere(async () => context.client.wait(await context.client.start(call)));
}
