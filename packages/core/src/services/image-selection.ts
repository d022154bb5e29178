import type { Providers } from '../plugin/providers.ts';
import type { CallOptions } from '../spec/call-options.ts';
import type { ImageFilter } from '../spec/capabilities/images.ts';
import type { Image } from '../spec/image.ts';
import { findImage, toRef, type ImageTarget } from './image-target.ts';

/** Which images a plan is about: these, or those of a provider that fit a filter. */
export type ImageSelection = readonly ImageTarget[] | ({ readonly provider: string } & ImageFilter);

/**
 * Gives the images of a selection; those that are gone are left out.
 *
 * @throws {@link ImgkitError} with `PROVIDER_NOT_FOUND`, and whatever keeps it from being listed.
 */
export async function* selectImages(
  providers: Providers,
  selection: ImageSelection,
  options: CallOptions | undefined,
): AsyncGenerator<Image> {
  if ('provider' in selection) {
    const { provider, ...filter } = selection;
    yield* providers.get(provider).images.list(filter, options);
    return;
  }
  for (const target of selection) {
    const ref = toRef(target);
    // An image that is gone needs no change; a provider that isn't there is a mistake.
    providers.get(ref.provider);
    const found = await findImage(providers, ref, options);
    if (found !== undefined) yield found.image;
  }
}
