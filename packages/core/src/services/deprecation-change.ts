import type { Providers } from '../plugin/providers.ts';
import type { CallOptions } from '../spec/call-options.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { Deprecation, Image } from '../spec/image.ts';
import type { ImageRef } from '../spec/ref.ts';
import { sameDeprecation } from './deprecation-dates.ts';
import { readImage, sameImage } from './image-target.ts';
import { checkReplacement } from './replacement-chain.ts';
import type { StateStore } from './state-store.ts';

/** Held while replacements are checked and set, so that two can't close a circle together. */
export const replacementsLock = 'replacements';

/**
 * Takes an image from one deprecation to another; made again, it changes nothing.
 *
 * @returns The image, or why it was left: it is gone, or no longer as expected.
 */
export async function changeDeprecation(
  { providers, store }: { readonly providers: Providers; readonly store: StateStore },
  ref: ImageRef,
  from: Deprecation,
  to: Deprecation,
  options: CallOptions,
): Promise<Image | string> {
  const same = (a: Deprecation, b: Deprecation): boolean =>
    sameDeprecation(a, b, (x, y) => sameImage(providers, x, y));
  const change = async (): Promise<Image | string> => {
    try {
      const { image } = await readImage(providers, ref, options);
      if (same(image.deprecation, to)) return image;
      if (!same(image.deprecation, from)) return 'somebody changed its deprecation since';
      if (to.replacement !== undefined) {
        await checkReplacement(providers, ref, to.replacement, options);
      }
      const { deprecation } = providers.require(ref.provider, 'deprecation');
      return await deprecation.set(ref.id, to, options);
    } catch (error) {
      if (ImgkitError.is(error, 'NOT_FOUND')) return 'it, or its replacement, is gone';
      if (ImgkitError.is(error, 'INVALID_ARGUMENT')) return error.message;
      throw error;
    }
  };
  return store.lock(replacementsLock, change, options);
}
