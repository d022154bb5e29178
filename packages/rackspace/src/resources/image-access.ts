import { formatRef, ImgkitError, type CallOptions, type ImageRef } from '@imgkit/core';

import { notFound, statusOf } from '../errors.ts';
import { propertyOf, type GlanceImage } from '../glance/glance-image.ts';
import type { PropertyChange } from '../glance/glance.ts';
import { toImage } from '../mapping.ts';
import type { CloudContext } from './context.ts';

/** An image that the cloud shows to us, also one whose sharing wasn't accepted. */
export async function knownImage(
  context: CloudContext,
  id: string,
  options?: CallOptions,
): Promise<GlanceImage> {
  // An empty id would ask for the list.
  if (id === '') throw notFound('image', id);
  try {
    const image = await context.glance.get(id, options);
    // Glance may be stopped in the middle of a deletion.
    if (image.status === 'deleted') throw notFound('image', id);
    return image;
  } catch (error) {
    throw ImgkitError.is(error, 'NOT_FOUND') ? notFound('image', id) : error;
  }
}

/** The image, or nothing when there is none. */
export async function findImage(
  context: CloudContext,
  id: string,
  options?: CallOptions,
): Promise<GlanceImage | undefined> {
  try {
    return await knownImage(context, id, options);
  } catch (error) {
    if (ImgkitError.is(error, 'NOT_FOUND')) return undefined;
    throw error;
  }
}

/**
 * An image that the provider's project may use: its own, one that is open to everyone, or one that was
 * shared with it and that it accepted. The cloud itself also shows what is pending or rejected.
 *
 * @throws `NOT_FOUND`.
 */
export async function visibleImage(
  context: CloudContext,
  id: string,
  options?: CallOptions,
): Promise<GlanceImage> {
  const image = await knownImage(context, id, options);
  const isOpen = image.visibility === 'public' || image.visibility === 'community';
  if (image.owner === context.project || isOpen) return image;
  const members = await context.glance.members(id, options).catch((error: unknown) => {
    if (statusOf(error) === 404) return [];
    throw error;
  });
  const own = members.find(({ member_id: member }) => member === context.project);
  if (own?.status === 'accepted') return image;
  throw new ImgkitError(
    'NOT_FOUND',
    `image "${id}" is shared with this project, and not accepted`,
    {
      resource: id,
      hint: 'Accept it first: provider.sharing.accept(id).',
    },
  );
}

/**
 * An image of the provider's own project, to be changed.
 *
 * @throws `NOT_FOUND`, or `PERMISSION_DENIED` for another project's.
 */
export async function ownImage(
  context: CloudContext,
  id: string,
  options?: CallOptions,
): Promise<GlanceImage> {
  const image = await visibleImage(context, id, options);
  if (image.owner === context.project) return image;
  throw new ImgkitError('PERMISSION_DENIED', `image "${id}" belongs to project ${image.owner}`, {
    resource: id,
    hint: `Change it with a provider of project ${image.owner}.`,
  });
}

/** What properties shall be; `undefined` takes one away. */
export type Properties = Readonly<Record<string, string | boolean | undefined>>;

const tries = 5;

/**
 * Changes properties of an image of the provider's own project, and nothing else.
 *
 * Glance has no preconditions, and writes the whole image back whoever changes what of it, so that of
 * two who write at the same time one may lose. Within this process nobody writes at the same time; for
 * other writers, what was written is read again, and written again when it is gone.
 *
 * @param change - Gives what properties shall be, seeing the image as it is; it may be asked several times.
 * @param options - `known`: the image as it was read a moment ago.
 */
export async function changeImage(
  context: CloudContext,
  id: string,
  change: (image: GlanceImage) => Promise<Properties> | Properties,
  { signal, known }: CallOptions & { readonly known?: GlanceImage | undefined } = {},
): Promise<GlanceImage> {
  const options = { signal };
  return context.locks.alone(`image ${id}`, async () => {
    let image = known ?? (await ownImage(context, id, options));
    let wanted = await change(image);
    for (let attempt = 1; ; attempt += 1) {
      const changes = differences(image, wanted);
      if (changes.length === 0) return image;
      if (attempt > tries)
        throw new ImgkitError('UNAVAILABLE', `somebody else keeps changing image "${id}"`, {
          resource: id,
          hint: 'Try again when the other writer is done.',
        });
      try {
        await context.glance.change(id, changes, options);
      } catch (error) {
        // Somebody was faster in removing a property.
        if (statusOf(error) !== 409) throw error;
        wanted = await change(await ownImage(context, id, options));
      }
      image = await ownImage(context, id, options);
    }
  });
}

/** What must be done for an image to have exactly these properties. */
function differences(image: GlanceImage, wanted: Properties): PropertyChange[] {
  return Object.entries(wanted).flatMap(([property, value]): PropertyChange[] => {
    if (value !== undefined) return image[property] === value ? [] : [{ set: property, value }];
    return propertyOf(image, property) === undefined ? [] : [{ remove: property }];
  });
}

/**
 * An image to make something of.
 *
 * @throws `INVALID_ARGUMENT` for an image of another provider, `NOT_FOUND`, `IMAGE_OBSOLETE` or
 * `IMAGE_DELETED` with the replacement, `FAILED_PRECONDITION` when it isn't READY.
 */
export async function usableImage(
  context: CloudContext,
  ref: ImageRef,
  options?: CallOptions,
): Promise<GlanceImage> {
  if (ref.provider !== context.provider)
    throw new ImgkitError(
      'INVALID_ARGUMENT',
      `${formatRef(ref)} isn't an image of ${context.provider}`,
      {
        resource: ref.id,
        hint: `Use an image whose reference begins with "${context.provider}:".`,
      },
    );
  const image = await visibleImage(context, ref.id, options);
  const { name, status, deprecation } = toImage(image, context);
  const { state, replacement } = deprecation;
  if (state === 'OBSOLETE' || state === 'DELETED') {
    const instead = replacement && formatRef(replacement);
    throw new ImgkitError(`IMAGE_${state}`, `image "${name}" is ${state}`, {
      resource: ref.id,
      replacement: instead,
      hint: instead === undefined ? 'Use another image.' : `Use ${instead} instead.`,
    });
  }
  if (status === 'READY') return image;
  throw new ImgkitError('FAILED_PRECONDITION', `image "${ref.id}" is ${status}, not READY`, {
    resource: ref.id,
    hint: 'Wait until it is READY.',
  });
}
