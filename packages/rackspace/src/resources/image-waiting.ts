import { ImgkitError, type Image, type OperationControl } from '@imgkit/core';

import { notFound } from '../errors.ts';
import { propertyOf, type GlanceImage } from '../glance/glance-image.ts';
import { importHasFailed, properties, toImage } from '../mapping.ts';
import type { CloudContext } from './context.ts';
import { findImage } from './image-access.ts';
import { noData } from './image-import.ts';
import { finishImage } from './image-finish.ts';
import { isMakerAlive } from './image-maker.ts';

/** Nobody makes the image any more, and only its maker can: it has to be begun again. */
export class Abandoned extends Error {
  constructor(id: string) {
    const cause = new ImgkitError(
      'FAILED_PRECONDITION',
      `nobody makes image "${id}" any more: the process that did is gone`,
      {
        resource: id,
        hint: 'Make the same call again, with the same idempotency key, or delete the image.',
      },
    );
    super(cause.message, { cause });
  }
}

/** After how long without a change an image counts as abandoned, if its maker can't be seen from here. */
const silenceMs = 120_000;
/** The same, if its maker is known to be gone: for the cloud to see that an upload broke off. */
const goneMs = 5_000;

/**
 * Waits until somebody else's call has made an image, or has left it with nothing but the last change to make.
 *
 * @throws {@link Abandoned}, or an error that says why there is no data.
 */
export async function awaitImage(
  context: CloudContext,
  id: string,
  { signal, progress }: OperationControl,
): Promise<GlanceImage> {
  let seen = '';
  let since = context.clock.now();
  return context.poll(async () => {
    const image = await findImage(context, id, { signal });
    if (image === undefined) throw new Abandoned(id);
    const now = context.clock.now();
    const look = `${image.status} ${image.updated_at}`;
    if (look !== seen) [seen, since] = [look, now];
    const isAlive = isMakerAlive(image);
    const isLeft = isAlive !== true && now - since >= (isAlive === false ? goneMs : silenceMs);

    if (image.status === 'active' || image.status === 'deactivated') {
      const isDone = !propertyOf(image, properties.unfinished);
      // The data of an upload is compared by its maker; a broken one never gets here.
      return isDone || isLeft || isAlive === false ? image : undefined;
    }
    if (importHasFailed(image))
      throw noData(image, await context.glance.importFailure(id, { signal }));
    if (!['queued', 'saving', 'importing', 'uploading'].includes(image.status)) throw noData(image);
    if (isLeft && !isMadeByCloud(image)) throw new Abandoned(id);
    progress(`the image is ${image.status}`);
    return undefined;
  }, signal);
}

/** A capture, or an import, goes on without who began it. */
function isMadeByCloud(image: GlanceImage): boolean {
  const isCapture = propertyOf(image, properties.key) !== undefined;
  return isCapture || image.status === 'importing';
}

/** Goes on with the making of an image from its token. */
export async function followImage(
  context: CloudContext,
  id: string,
  control: OperationControl,
): Promise<Image> {
  const { imports } = context;
  if (imports?.isToken(id) === true) return imports.follow(context, id, control);
  const image = await findImage(context, id, { signal: control.signal });
  if (image === undefined) throw notFound('image', id);
  try {
    const made = await awaitImage(context, id, control);
    return toImage(await finishImage(context, made, control), context);
  } catch (error) {
    throw error instanceof Abandoned ? error.cause : error;
  }
}
