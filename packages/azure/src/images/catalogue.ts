import type { CallOptions, Image, ImageFilter } from '@imgkit/core';

import { text } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { invalid } from './image-request.ts';
import { imagesInGallery, latestInGallery } from './gallery-images.ts';
import { latestInMarketplace, listMarketplace } from './marketplace.ts';
import { sameName } from '../resources/names.ts';
import { latestInPublicGallery, listPublicGallery } from './public-galleries.ts';
import { parseIdOf, type ResourceId } from '../resources/resource-id.ts';

/** What holds families: what `project` names in a filter and in `family('web', { project })`. */
type Catalogue =
  | { readonly kind: 'gallery'; readonly id: ResourceId }
  | { readonly kind: 'subscription'; readonly subscription: string }
  | { readonly kind: 'shared' | 'community'; readonly gallery: string }
  | { readonly kind: 'marketplace'; readonly publisher: string; readonly offer: string };

const publicForm = /^\/?(shared|community)Galleries\/([^/]+)\/?$/i;
const offerForm = /^([\w.-]+):([\w.-]+)$/;
const subscriptionForm = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * What a text names that holds families:
 *
 * - the provider's own subscription, or nothing: its own gallery;
 * - another subscription: all of its galleries that may be read;
 * - the ARM id of a gallery;
 * - `/sharedGalleries/{unique name}` and `/communityGalleries/{public name}`;
 * - `publisher:offer`: an offer of the marketplace, whose families are its SKUs.
 *
 * @throws ImgkitError with `INVALID_ARGUMENT` for other texts.
 */
function readCatalogue({ gallery }: AzureContext, project?: string): Catalogue {
  if (project === undefined || sameName(project, gallery.subscription))
    return { kind: 'gallery', id: gallery };
  if (subscriptionForm.test(project)) return { kind: 'subscription', subscription: project };
  const id = parseIdOf('Microsoft.Compute/galleries', project);
  if (id !== undefined) return { kind: 'gallery', id };
  const [, word, name] = publicForm.exec(project) ?? [];
  if (word !== undefined && name !== undefined)
    return { kind: word.toLowerCase() === 'shared' ? 'shared' : 'community', gallery: name };
  const [, publisher, offer] = offerForm.exec(project) ?? [];
  if (publisher !== undefined && offer !== undefined)
    return { kind: 'marketplace', publisher, offer };
  throw invalid(
    `"${project}" holds no images at Azure`,
    'Name a subscription, a gallery by its ARM id, /sharedGalleries/…, /communityGalleries/…, or publisher:offer of the marketplace.',
  );
}

/** The images that some catalogue holds, of one family or of all. */
export async function* imagesIn(
  context: AzureContext,
  { project, family }: Pick<ImageFilter, 'project' | 'family'>,
  options?: CallOptions,
): AsyncGenerator<Image, void, undefined> {
  const catalogue = readCatalogue(context, project);
  switch (catalogue.kind) {
    case 'gallery':
      return yield* imagesInGallery(context, catalogue.id, family, options);
    case 'subscription':
      for await (const gallery of galleriesOf(context, catalogue.subscription, options))
        yield* imagesInGallery(context, gallery, family, options);
      return;
    case 'shared':
    case 'community':
      return yield* listPublicGallery(context, catalogue, family, options);
    case 'marketplace':
      return yield* listMarketplace(context, catalogue, family, options);
  }
}

/** The image that Azure takes for the latest of a family in a region, if there is one. */
export async function latestIn(
  context: AzureContext,
  { project, family }: { readonly project: string | undefined; readonly family: string },
  region: string,
  options?: CallOptions,
): Promise<Image | undefined> {
  const catalogue = readCatalogue(context, project);
  switch (catalogue.kind) {
    case 'gallery':
      return latestInGallery(context, catalogue.id, family, region, options);
    case 'subscription': {
      const found: Image[] = [];
      for await (const gallery of galleriesOf(context, catalogue.subscription, options)) {
        const image = await latestInGallery(context, gallery, family, region, options);
        if (image !== undefined) found.push(image);
      }
      if (found.length > 1)
        throw invalid(
          `several galleries of ${catalogue.subscription} have a family "${family}"`,
          `Name the gallery as the project: ${found.map(({ ref }) => ref.id.replace(/\/images\/.*/, '')).join(', ')}.`,
        );
      return found[0];
    }
    case 'shared':
    case 'community':
      return latestInPublicGallery(context, catalogue, family, region, options);
    case 'marketplace':
      return latestInMarketplace(context, catalogue, family, region, options);
  }
}

async function* galleriesOf(
  { client }: AzureContext,
  subscription: string,
  options?: CallOptions,
): AsyncGenerator<ResourceId, void, undefined> {
  const type = 'Microsoft.Compute/galleries';
  for await (const page of client.pages(type, { subscription }, options))
    for (const gallery of page) {
      const id = parseIdOf(type, text(gallery, 'id'));
      if (id !== undefined) yield id;
    }
}
