import {
  ImgkitError,
  type CallOptions,
  type Image,
  type Publishing,
  type PublishingTraits,
  type PublishRequest,
} from '@imgkit/core';

import { flag, object, objects, text, type WireObject } from './api/wire.ts';
import type { AzureContext } from './context.ts';
import { invalid } from './image-request.ts';
import { idOf, ownOf, statusOf, toDeprecationOf } from './mapping.ts';
import { checkName, definitionName, sameName } from './names.ts';
import { regionName, sameRegion } from './regions.ts';
import { formatId } from './resource-id.ts';
import { toTags } from './tags.ts';
import { lifeOf } from './version-body.ts';
import { compareNumbers, parseNumber, type VersionNumber } from './version-number.ts';
import { changeVersion, readImage, versionsOf } from './versions.ts';

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
   * The latest version as Azure takes it: the one with the highest number among those that are replicated to the
   * region, and kept from being the latest neither everywhere nor there.
   * https://learn.microsoft.com/azure/virtual-machines/shared-image-galleries#image-versions
   *
   * @param scope - `zone`: the region, or a zone of it (`westeurope-1`); the provider's own by default.
   */
  async head(
    family: string,
    scope: { readonly project?: string | undefined; readonly zone?: string | undefined } = {},
    options?: CallOptions,
  ): Promise<Image | undefined> {
    const context = this.#context;
    return context.call('publishing.head', family, options, async () => {
      const { subscription } = context.gallery;
      const { project = subscription, zone = context.settings.location } = scope;
      if (!sameName(project, subscription) || !definitionName.pattern.test(family))
        return undefined;
      const region = regionName(zone).replace(/-\d$/, '');
      const candidates: WireObject[] = [];
      for await (const version of versionsOf(context, family, options))
        if (this.#mayBeLatest(version, region)) candidates.push(version);
      for (const candidate of candidates.toSorted(byNumber).toReversed()) {
        const id = idOf(candidate, context.gallery);
        const image = id && (await readImage(context, formatId(id), options));
        if (image !== undefined && isReplicated(image.native, region)) return image;
      }
      return undefined;
    });
  }

  #mayBeLatest(version: WireObject, region: string): boolean {
    const profile = object(version, 'publishingProfile');
    const target = objects(profile, 'targetRegions').find((one) =>
      sameRegion(text(one, 'name') ?? '', region),
    );
    const { state } = toDeprecationOf(version, this.#context.provider, this.#context.gallery);
    return (
      statusOf(version) === 'READY' &&
      ownOf(version).standalone === undefined &&
      state === 'ACTIVE' &&
      target !== undefined &&
      !flag(profile, 'excludeFromLatest') &&
      !flag(target, 'excludeFromLatest')
    );
  }
}

function byNumber(a: WireObject, b: WireObject): number {
  return compareNumbers(numberIn(a), numberIn(b));
}

function numberIn(version: WireObject): VersionNumber {
  return parseNumber(text(version, 'name') ?? '') ?? [0, 0, 0];
}

function isReplicated(native: unknown, region: string): boolean {
  const version: WireObject = typeof native === 'object' && native !== null ? { ...native } : {};
  const summary = objects(object(version, 'replicationStatus'), 'summary');
  return summary.some(
    (one) => sameRegion(text(one, 'region') ?? '', region) && text(one, 'state') === 'Completed',
  );
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
