import { ImgkitError, type CallOptions } from '@imgkit/core';

import { statusOf } from '../errors.ts';
import { propertyOf, type GlanceImage } from '../glance/glance-image.ts';
import { isScheduled, properties } from '../mapping.ts';
import type { CloudContext } from './context.ts';
import { findImage } from './image-access.ts';
import { removeCopy } from './volume-copy.ts';

/**
 * Deletes an image of this project for good. One that is gone meanwhile is a success.
 *
 * @throws `PERMISSION_DENIED` for another project's, `FAILED_PRECONDITION` for a protected one, `IN_USE` when
 * the cloud says so.
 */
export async function deleteImage(
  context: CloudContext,
  image: GlanceImage,
  { signal }: CallOptions = {},
): Promise<void> {
  checkDeletable(context, image);
  const { id } = image;
  try {
    await removeImage(context, id, { signal });
    // One that is half made goes with the volume that it was made of.
    const copy = propertyOf(image, properties.copy);
    if (copy) await removeCopy(context, copy, { signal });
  } catch (error) {
    if (statusOf(error) !== 409) throw error;
    throw new ImgkitError('IN_USE', `the cloud doesn't delete image "${id}": it is in use`, {
      resource: id,
      hint: 'Delete what was made of it first.',
      cause: error,
    });
  }
}

/** @throws `PERMISSION_DENIED` for another project's image, `FAILED_PRECONDITION` for a protected or a scheduled one. */
export function checkDeletable(context: CloudContext, image: GlanceImage): void {
  const { id, owner, protected: isProtected } = image;
  if (owner !== context.project)
    throw new ImgkitError('PERMISSION_DENIED', `image "${id}" belongs to project ${owner}`, {
      resource: id,
      hint: `Delete it with a provider of project ${owner}.`,
    });
  if (isProtected === true)
    throw new ImgkitError('FAILED_PRECONDITION', `image "${id}" is protected`, {
      resource: id,
      hint: 'Somebody meant it to stay. Take the protection off first: openstack image set --unprotected.',
    });
  if (isScheduled(image))
    throw new ImgkitError('FAILED_PRECONDITION', `image "${id}" was made by the cloud's schedule`, {
      resource: id,
      hint: 'The schedule deletes it when it has newer ones; sooner, the cloud’s own tools do.',
    });
}

/** Deletes an image; one that is gone, or that an earlier try has half deleted, is a success. */
export async function removeImage(
  context: CloudContext,
  id: string,
  options?: CallOptions,
): Promise<void> {
  try {
    await context.glance.delete(id, options);
  } catch (error) {
    if (ImgkitError.is(error, 'NOT_FOUND')) return;
    if ((await findImage(context, id, options)) !== undefined) throw error;
  }
}
