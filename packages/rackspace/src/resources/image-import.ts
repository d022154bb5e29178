import { ImgkitError, type CallOptions, type OperationControl } from '@imgkit/core';

import { statusOf } from '../errors.ts';
import { propertyOf, type GlanceImage } from '../glance/glance-image.ts';
import type { ImportOrder } from '../glance/glance.ts';
import { importHasFailed } from '../mapping.ts';
import type { CloudContext } from './context.ts';
import { findImage } from './image-access.ts';

/** How often an import is asked for, when the calls or their answers are lost. */
const maxCalls = 4;
const lostPauseMs = 250;

/**
 * Has the cloud import data into an image, and waits until it has.
 *
 * @throws `UNSUPPORTED` where the cloud knows no such imports, `OPERATION_FAILED` with the cloud's reason.
 */
export async function importImage(
  context: CloudContext,
  id: string,
  order: ImportOrder,
  { signal, progress }: Pick<OperationControl, 'signal' | 'progress'>,
): Promise<GlanceImage> {
  const methods = await context.glance.importMethods({ signal });
  if (!methods.includes(order.method))
    throw new ImgkitError('UNSUPPORTED', `this cloud knows no import by ${order.method}`, {
      hint: methods.length > 0 ? `It knows ${methods.join(', ')}.` : 'It knows none at all.',
    });
  await begin(context, id, order, { signal });
  progress(`the cloud imports the disk by ${order.method}`);
  return context.poll(async () => {
    const image = await findImage(context, id, { signal });
    if (image !== undefined && isDone(image, order)) return image;
    if (image === undefined || !isImporting(image)) {
      const why = image && (await context.glance.importFailure(id, { signal }));
      throw noData(image ?? { id, status: 'deleted' }, why);
    }
    return undefined;
  }, signal);
}

/** The cloud takes one import of an image at a time: a call that was lost can be made again. */
async function begin(
  context: CloudContext,
  id: string,
  order: ImportOrder,
  options: CallOptions,
): Promise<void> {
  for (let calls = 1; ; calls += 1) {
    try {
      await context.glance.import(id, order, options);
      return;
    } catch (error) {
      if (statusOf(error) === 409 && calls > 1) return;
      const isLost = ImgkitError.is(error, 'UNAVAILABLE') || ImgkitError.is(error, 'TIMEOUT');
      if (!isLost || calls >= maxCalls) throw error;
      const image = await findImage(context, id, options);
      if (image !== undefined && (isDone(image, order) || hasBegun(image))) return;
      await context.sleep(error.retryAfterMs ?? lostPauseMs * 2 ** calls, options.signal);
    }
  }
}

function hasBegun(image: GlanceImage): boolean {
  const isLocked = propertyOf(image, 'os_glance_import_task') !== undefined;
  return isLocked || image.status === 'importing' || isUnderWay(image) || importHasFailed(image);
}

function isUnderWay(image: GlanceImage): boolean {
  return Boolean(propertyOf(image, 'os_glance_importing_to_stores'));
}

/** An image is active as soon as one store has it. */
function isDone(image: GlanceImage, { stores = [] }: ImportOrder): boolean {
  const has = (propertyOf(image, 'stores') ?? '').split(',');
  return (
    image.status === 'active' && !isUnderWay(image) && stores.every((store) => has.includes(store))
  );
}

/** Whether the cloud still works on an import, or has not begun. */
function isImporting(image: GlanceImage): boolean {
  if (image.status === 'importing' || image.status === 'saving') return true;
  const isLocked = propertyOf(image, 'os_glance_import_task') !== undefined;
  const isQueued = image.status === 'queued' || image.status === 'uploading';
  return (isQueued && (isUnderWay(image) || isLocked)) || !importHasFailed(image);
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
