import type { Providers } from '../plugin/providers.ts';
import type { CallOptions } from '../spec/call-options.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { Image } from '../spec/image.ts';
import type { Provider } from '../spec/provider.ts';
import { formatRef, parseRef, type ImageRef } from '../spec/ref.ts';

/** An image, by its ref or the text form of it: `prod:projects/acme/global/images/web-7`. */
export type ImageTarget = ImageRef | string;

/** An image as it is now, with its provider. */
export interface ReadImage {
  readonly provider: Provider;
  readonly image: Image;
}

/** Reads the ref of a target. */
export function toRef(target: ImageTarget): ImageRef {
  return typeof target === 'string' ? parseRef(target) : target;
}

/** Asks the target's provider for the image. */
export async function readImage(
  providers: Providers,
  target: ImageTarget,
  options?: CallOptions,
): Promise<ReadImage> {
  const ref = toRef(target);
  const provider = providers.get(ref.provider);
  return { provider, image: await provider.images.get(ref.id, options) };
}

/** Like {@link readImage}, with nothing for an image, or a provider, that isn't there. */
export async function findImage(
  providers: Providers,
  ref: ImageRef,
  options?: CallOptions,
): Promise<ReadImage | undefined> {
  try {
    return await readImage(providers, ref, options);
  } catch (error) {
    if (ImgkitError.is(error, 'NOT_FOUND') || ImgkitError.is(error, 'PROVIDER_NOT_FOUND')) {
      return undefined;
    }
    throw error;
  }
}

/** Whether two refs mean the same image, as their provider sees it. */
export function sameImage(providers: Providers, a: ImageRef, b: ImageRef): boolean {
  if (a.provider !== b.provider) return false;
  if (a.id === b.id) return true;
  // What was recorded may be of a provider that this kit doesn't have.
  return providers.names().includes(a.provider) && providers.get(a.provider).sameId(a.id, b.id);
}

/** How messages call an image. */
export function nameOf(image: Image): string {
  return `image "${image.name}" (${formatRef(image.ref)})`;
}
