import type { CallOptions } from '@imgkit/core';

import { propertyOf, type GlanceImage } from '../glance/glance-image.ts';
import { isOurs, properties, toImage } from '../mapping.ts';
import type { CloudContext } from './context.ts';
import { changeImage, type Properties } from './image-access.ts';
import { enforce } from './image-state.ts';
import { digestNote } from './known-digest.ts';
import { listImages } from './image-listing.ts';
import { removeCopy } from './volume-copy.ts';

/**
 * Makes an image whose data stands READY, as it was asked for. Whoever comes later finds it done.
 *
 * @param sha256 - Of the data, where this process has seen it.
 */
export async function finishImage(
  context: CloudContext,
  image: GlanceImage,
  { signal, sha256 }: CallOptions & { readonly sha256?: string | undefined } = {},
): Promise<GlanceImage> {
  const options = { signal };
  if (!propertyOf(image, properties.unfinished)) return image;
  const { state } = toImage(image, context).deprecation;
  await enforce(context, image, state, options);
  const copy = propertyOf(image, properties.copy);
  if (copy) await removeCopy(context, copy, options);
  return changeImage(context, image.id, (now) => finishing(context, now, { signal, sha256 }), {
    ...options,
    known: image,
  });
}

/** The properties that make an image whole whose data stands; none when that was done. */
export async function finishing(
  context: CloudContext,
  image: GlanceImage,
  { signal, sha256 }: CallOptions & { readonly sha256?: string | undefined } = {},
): Promise<Properties> {
  const plan = propertyOf(image, properties.unfinished);
  if (!plan) return {};
  const family = propertyOf(image, properties.family);
  const over = {
    [properties.unfinished]: undefined,
    [properties.maker]: undefined,
    [properties.copy]: undefined,
  };
  const done = { ...voided(image), ...over, ...digestNote(image, sha256) };
  if (plan !== 'published' || family === undefined) return done;
  const publishedAt = await publicationInstant(context, family, { signal });
  return { ...done, [properties.published]: 'true', [properties.publishedAt]: publishedAt };
}

/** The present, but later than any publication of the family. */
export async function publicationInstant(
  context: CloudContext,
  family: string,
  options?: CallOptions,
): Promise<string> {
  let latest = context.clock.now();
  const filter = { family, published: true };
  for await (const { publishedAt } of listImages(context, 'publishing.publish', filter, options)) {
    const at = Date.parse(publishedAt ?? '');
    if (at >= latest) latest = at + 1;
  }
  return new Date(latest).toISOString();
}

/** What an image of a server would have inherited of ours was made empty when it was begun: it goes. */
function voided(image: GlanceImage): Record<string, undefined> {
  if (propertyOf(image, properties.key) === undefined) return {};
  const empty = Object.keys(image).filter(
    (name) => image[name] === '' && (isOurs(name) || name === properties.description),
  );
  return Object.fromEntries(empty.map((name) => [name, undefined]));
}
