import { ImgkitError, type CallOptions, type DeprecationState } from '@imgkit/core';

import { statusOf } from '../errors.ts';
import type { GlanceImage } from '../glance/glance-image.ts';
import type { CloudContext } from './context.ts';
import { findImage } from './image-access.ts';

/** Whether this cloud lets owners put their images out of use; found out by trying. */
const forbidding = new WeakSet<CloudContext>();

/** Whether images were seen not to be put out of use by the cloud itself. */
export function forbidsDeactivation(context: CloudContext): boolean {
  return context.glance.usesTasks || forbidding.has(context);
}

/**
 * Has the cloud refuse, or allow, new use of an image. Where its policy keeps that to administrators,
 * the property alone says it, and imgkit refuses.
 */
export async function enforce(
  context: CloudContext,
  { id, status }: GlanceImage,
  state: DeprecationState,
  options?: CallOptions,
): Promise<void> {
  const active = state === 'ACTIVE' || state === 'DEPRECATED';
  if (active === (status !== 'deactivated')) return;
  if (!(await context.glance.isModern(options))) {
    forbidding.add(context);
    return;
  }
  try {
    await context.glance.setActive(id, active, options);
  } catch (error) {
    const isUnknown =
      statusOf(error) === 404 && (await findImage(context, id, options)) !== undefined;
    if (!isUnknown && !ImgkitError.is(error, 'PERMISSION_DENIED')) throw error;
    forbidding.add(context);
  }
}
