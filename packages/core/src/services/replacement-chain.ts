import type { Providers } from '../plugin/providers.ts';
import type { CallOptions } from '../spec/call-options.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { Image } from '../spec/image.ts';
import { formatRef, type ImageRef } from '../spec/ref.ts';
import { findImage, sameImage } from './image-target.ts';

/**
 * Gives the images that stand for `image`, one after the other, itself not included: its replacement, that one's
 * replacement, and so on across providers. It ends where there is none, or none that can be seen.
 *
 * @throws {@link ImgkitError} with `FAILED_PRECONDITION` if the chain comes back to an image it has passed.
 */
export async function* followReplacements(
  providers: Providers,
  image: Image,
  options?: CallOptions,
): AsyncGenerator<Image, void, undefined> {
  const passed: ImageRef[] = [image.ref];
  let next = image.deprecation.replacement;
  while (next !== undefined) {
    const found = await findImage(providers, next, options);
    if (found === undefined) return;
    const { ref } = found.image;
    if (passed.some((other) => sameImage(providers, other, ref))) {
      throw new ImgkitError(
        'FAILED_PRECONDITION',
        `the replacements of ${formatRef(image.ref)} go round in a circle at ${formatRef(ref)}`,
        {
          provider: ref.provider,
          resource: ref.id,
          hint: 'Set another replacement for one of them with deprecation.set.',
        },
      );
    }
    passed.push(ref);
    yield found.image;
    next = found.image.deprecation.replacement;
  }
}

/**
 * Checks, before anything is changed, that `replacement` exists and doesn't lead back to `of`.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for an image that would replace itself, at once or
 *   through others; with `NOT_FOUND` or `PROVIDER_NOT_FOUND` if there is no such image.
 */
export async function checkReplacement(
  providers: Providers,
  of: ImageRef,
  replacement: ImageRef,
  options?: CallOptions,
): Promise<void> {
  const first = await providers.get(replacement.provider).images.get(replacement.id, options);
  const chain: ImageRef[] = [first.ref];
  try {
    for await (const image of followReplacements(providers, first, options)) {
      chain.push(image.ref);
      if (sameImage(providers, image.ref, of)) break;
    }
  } catch (error) {
    // A circle further along, that `of` isn't part of, was there before and isn't made by this call.
    if (!ImgkitError.is(error, 'FAILED_PRECONDITION')) throw error;
  }
  if (!chain.some((ref) => sameImage(providers, ref, of))) return;
  throw new ImgkitError(
    'INVALID_ARGUMENT',
    `${formatRef(of)} would replace itself: ${[of, ...chain].map(formatRef).join(' -> ')}`,
    {
      provider: of.provider,
      resource: of.id,
      hint: 'Name an image that is not itself replaced by this one.',
    },
  );
}
