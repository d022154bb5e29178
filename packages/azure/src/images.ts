import type {
  CallOptions,
  CreateImageRequest,
  Image,
  ImageFilter,
  Images,
  ImagesTraits,
  ImageUpdate,
  Operation,
} from '@imgkit/core';

import { imagesIn } from './images/catalogue.ts';
import type { AzureContext } from './context.ts';
import { AzureDeletedImages } from './images/deleted-images.ts';
import { AzureReplication } from './versions/replication.ts';
import { createImage, resumeImage } from './images/image-creation.ts';
import { findImage } from './images/image-lookup.ts';
import { ownOf } from './mapping.ts';
import { definitionName, sameName } from './resources/names.ts';
import { sourceKinds } from './images/sources.ts';
import { changedLabels, hasLabels, toTags } from './resources/tags.ts';
import { deleteVersion, resumeDeletion } from './versions/version-deletion.ts';
import { changeVersion, readImage } from './versions/versions.ts';

/** The image versions of a Compute Gallery. */
export class AzureImages implements Images {
  readonly traits: ImagesTraits = {
    sources: sourceKinds,
    imageName: definitionName,
    familyName: definitionName,
    digests: false,
  };
  /** Where versions are, and how to change that. */
  readonly replication: AzureReplication;
  /** What was deleted, and can be had back. */
  readonly deleted: AzureDeletedImages;
  readonly #context: AzureContext;

  constructor(context: AzureContext) {
    this.#context = context;
    this.replication = new AzureReplication(context);
    this.deleted = new AzureDeletedImages(context);
    context.onResume('images.create', (token, control) => resumeImage(context, token, control));
    context.onResume('images.change', async ({ operation, ...token }, control) => {
      if (operation !== null) await context.waitFor(control, { ...token, operation });
      return readImage(context, token.target);
    });
    context.onResume('images.delete', (token, control) => resumeDeletion(context, token, control));
  }

  async get(id: string, options?: CallOptions): Promise<Image> {
    return this.#context.call('images.get', id, options, () =>
      findImage(this.#context, id, options),
    );
  }

  /**
   * The images of the provider's own gallery, or of what `project` names: another subscription, a gallery by its ARM
   * id, `/sharedGalleries/…`, `/communityGalleries/…`, or an offer of the marketplace as `publisher:offer`.
   */
  list(filter: ImageFilter = {}, options?: CallOptions): AsyncIterable<Image> {
    const context = this.#context;
    return context.listing('images.list', undefined, options, async function* pagewise() {
      for await (const image of imagesIn(context, filter, options))
        if (matches(image, filter)) yield image;
    });
  }

  create(request: CreateImageRequest, options?: CallOptions): Operation<Image> {
    return this.#context.operation('images.create', request.name, options, (control) =>
      createImage(this.#context, request, control),
    );
  }

  async update(id: string, changes: ImageUpdate, options?: CallOptions): Promise<Image> {
    const context = this.#context;
    return context.call('images.update', id, options, () =>
      changeVersion(context, id, options, (version, image) => {
        const own = ownOf(version);
        const description = changes.description ?? own.description;
        const labels = changedLabels(image.labels, changes.labels);
        return { tags: toTags(labels, { ...own, description }) };
      }),
    );
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    const context = this.#context;
    return context.operation('images.delete', id, options, (control) =>
      deleteVersion(context, 'images.delete', id, control),
    );
  }
}

/**
 * Whether a provider's images are Azure's, which can be replicated to other regions, and restored.
 *
 * @example
 * ```ts
 * import type { Provider } from '@imgkit/core';
 * import { isAzureImages } from '@imgkit/azure';
 *
 * async function extend({ images }: Provider, id: string): Promise<void> {
 *   if (!isAzureImages(images)) throw new Error('not at Azure');
 *   const set = [{ name: 'northeurope', replicaCount: 2 }];
 *   for await (const { message } of images.replication.change(id, { set })) console.log(message);
 * }
 * ```
 */
export function isAzureImages(images: unknown): images is AzureImages {
  return images instanceof AzureImages;
}

function matches(image: Image, filter: ImageFilter): boolean {
  const { name, family, published, status, states, labels } = filter;
  return (
    (name === undefined || image.name === name) &&
    (family === undefined || sameName(image.family, family)) &&
    (published === undefined || image.published === published) &&
    (status === undefined || status.includes(image.status)) &&
    (states === undefined || states.includes(image.deprecation.state)) &&
    hasLabels(image.labels, labels)
  );
}
