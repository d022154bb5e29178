import {
  ImgkitError,
  type CallOptions,
  type Image,
  type Publishing,
  type PublishingTraits,
  type PublishRequest,
} from '@imgkit/core';

import { flag, object } from './api/wire.ts';
import { latestIn } from './images/catalogue.ts';
import type { AzureContext } from './context.ts';
import { invalid } from './images/image-request.ts';
import { ownOf } from './mapping.ts';
import { checkName, sameName } from './resources/names.ts';
import { regionName } from './resources/regions.ts';
import { toTags } from './resources/tags.ts';
import { lifeOf } from './versions/version-body.ts';
import { changeVersion } from './versions/versions.ts';

/** Moves versions in and out of what Azure takes for the latest, and says which one that is. */
export class AzurePublishing implements Publishing {
  readonly traits: PublishingTraits = { nativeHead: true };
  readonly #context: AzureContext;

  constructor(context: AzureContext) {
    this.#context = context;
  }

  async publish(
    id: string,
    { family, version }: PublishRequest,
    options?: CallOptions,
  ): Promise<Image> {
    const context = this.#context;
    return context.call('publishing.publish', id, options, async () => {
      checkName('a family', family);
      if (version === '') throw invalid('an empty text can’t be a version', 'Leave it out.');
      return changeVersion(context, id, options, (native, image) => {
        refuseUnfit(image, family);
        const own = ownOf(native);
        const again =
          image.published && !flag(object(native, 'publishingProfile'), 'excludeFromLatest');
        const wanted = version ?? image.version;
        if (again && image.version === wanted) return undefined;
        // What others made gets its name, too: from then on it is ours to tell of.
        const tags = { ...own, name: image.name, version: wanted };
        const published = again ? image.publishedAt : context.now();
        return {
          tags: toTags(image.labels, { ...tags, published }),
          publishingProfile: lifeOf(context, true, image.deprecation),
        };
      });
    });
  }

  async withdraw(id: string, options?: CallOptions): Promise<Image> {
    const context = this.#context;
    return context.call('publishing.withdraw', id, options, () =>
      changeVersion(context, id, options, (native, image) => {
        if (!image.published) return undefined;
        const { name, version, deprecation, labels } = image;
        return {
          tags: toTags(labels, { ...ownOf(native), name, version, published: undefined }),
          publishingProfile: lifeOf(context, false, deprecation),
        };
      }),
    );
  }

  /**
   * The latest version as Azure takes it: see {@link latestIn}.
   *
   * @param scope - `zone`: the region, or a zone of it (`westeurope-1`); the provider's own by default. `project`: what
   *   holds the family, as in `images.list`.
   */
  async head(
    family: string,
    scope: { readonly project?: string | undefined; readonly zone?: string | undefined } = {},
    options?: CallOptions,
  ): Promise<Image | undefined> {
    const context = this.#context;
    const { project, zone = context.settings.location } = scope;
    const region = regionName(zone).replace(/-\d$/, '');
    return context.call('publishing.head', family, options, () =>
      latestIn(context, { project, family }, region, options),
    );
  }
}

function refuseUnfit(image: Image, family: string): void {
  if (image.status !== 'READY' || image.deprecation.state !== 'ACTIVE')
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      `image "${image.name}" is ${image.status} and ${image.deprecation.state}`,
      { resource: image.ref.id, hint: 'Only an image that is READY and ACTIVE can be published.' },
    );
  if (sameName(image.family, family)) return;
  throw new ImgkitError(
    'FAILED_PRECONDITION',
    `image "${image.name}" is for ${image.family === undefined ? 'no family' : `family "${image.family}"`}, not for "${family}"`,
    {
      resource: image.ref.id,
      hint: 'At Azure an image never changes its family: make a new one of it, with the family.',
    },
  );
}
