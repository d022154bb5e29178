import type { Providers } from '../plugin/providers.ts';
import { startOperation } from '../plugin/operation.ts';
import type { CallOptions } from '../spec/call-options.ts';
import type { CreateImageRequest, ImageFilter, ImageUpdate } from '../spec/capabilities/images.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { FamilySelector } from '../spec/family.ts';
import type { Image } from '../spec/image.ts';
import type { Operation } from '../spec/operation.ts';
import { formatRef, type ImageRef } from '../spec/ref.ts';
import type { FamilyService } from './families.ts';
import { newestFirst } from './family-head.ts';
import { checkCreateRequest } from './image-request.ts';
import { nameOf, readImage, toRef, type ImageTarget } from './image-target.ts';
import { followReplacements } from './replacement-chain.ts';

/** Something to know about an image that is about to be used. */
export interface UseWarning {
  /** `IMAGE_DEPRECATED`: it works, but shouldn't be used any more. `REPLACED`: another image is used instead of it. */
  readonly code: 'IMAGE_DEPRECATED' | 'REPLACED';
  /** The image the warning is about. */
  readonly image: ImageRef;
  /** One line for people. */
  readonly message: string;
  /** What to use instead, when known. */
  readonly replacement?: ImageRef | undefined;
}

/** An image that may be used, and what to know about it. */
export interface UsableImage {
  readonly image: Image;
  readonly warnings: readonly UseWarning[];
}

/** How an image is looked up for use. */
export interface UseOptions extends CallOptions {
  /** Uses the replacement of an image that is OBSOLETE or DELETED, if it is of the same provider. False by default. */
  readonly followReplacement?: boolean | undefined;
  /** Where a family is looked up; needed for a family when the kit has several providers. */
  readonly provider?: string | undefined;
}

/** The images of all providers. */
export interface ImageService {
  /** @throws {@link ImgkitError} with `NOT_FOUND`, `PROVIDER_NOT_FOUND`, or `INVALID_ARGUMENT` for a text that is no ref. */
  get(image: ImageTarget, options?: CallOptions): Promise<Image>;

  /** Lists images of a provider, page by page. */
  list(provider: string, filter?: ImageFilter, options?: CallOptions): AsyncIterable<Image>;

  /** Gives the newest image that fits, or nothing. */
  find(provider: string, filter: ImageFilter, options?: CallOptions): Promise<Image | undefined>;

  /**
   * Gives an image, or the head of a family, for somebody who is going to boot it, copy it, or bake from it.
   *
   * A DEPRECATED image comes with a warning that names its replacement; an OBSOLETE or DELETED one is refused,
   * whether or not the cloud would refuse it, or stood in for by its replacement.
   *
   * @throws {@link ImgkitError} with `IMAGE_OBSOLETE` or `IMAGE_DELETED` and the `replacement`, with
   *   `FAILED_PRECONDITION` if the image isn't READY or its replacements go round in a circle, with `NOT_FOUND`.
   *
   * @example
   * ```ts
   * import { createImgkit, family } from '@imgkit/core';
   * import { qemu } from '@imgkit/qemu';
   *
   * await using kit = await createImgkit({ providers: [qemu()] });
   * const { image, warnings } = await kit.images.forUse(family('debian-12'));
   * for (const warning of warnings) console.warn(warning.message);
   * console.log(image.name);
   * ```
   */
  forUse(target: ImageTarget | FamilySelector, options?: UseOptions): Promise<UsableImage>;

  /**
   * Makes an image, after the request was checked against the provider's traits.
   *
   * @throws {@link ImgkitError} as `provider.images.create` does; what is wrong with the request is `INVALID_ARGUMENT`
   *   or `UNSUPPORTED` before the cloud is asked.
   */
  create(provider: string, request: CreateImageRequest, options?: CallOptions): Operation<Image>;

  /** Changes labels or description. */
  update(image: ImageTarget, changes: ImageUpdate, options?: CallOptions): Promise<Image>;
}

/** Makes the images service. */
export function createImageService(
  providers: Providers,
  families: Pick<FamilyService, 'head'>,
): ImageService {
  const findHead = (selector: FamilySelector, options: UseOptions): Promise<Image> => {
    const names = providers.names();
    const provider = options.provider ?? (names.length === 1 ? names[0] : undefined);
    if (provider === undefined) {
      throw new ImgkitError(
        'INVALID_ARGUMENT',
        `the family "${selector.family}" could be of any of ${names.length} providers`,
        {
          resource: selector.family,
          hint: `Say which with the option provider: ${names.join(', ')}`,
        },
      );
    }
    return families.head(provider, selector, options);
  };

  return {
    async get(target, options) {
      return (await readImage(providers, target, options)).image;
    },

    list: (provider, filter, options) => providers.get(provider).images.list(filter, options),

    async find(provider, filter, options) {
      let newest: Image | undefined;
      for await (const image of providers.get(provider).images.list(filter, options)) {
        if (newest === undefined || newestFirst(image, newest) < 0) newest = image;
      }
      return newest;
    },

    async forUse(target, options = {}) {
      const image =
        typeof target === 'object' && 'kind' in target
          ? await findHead(target, options)
          : (await readImage(providers, target, options)).image;
      return useImage(providers, image, options);
    },

    create(name, request, options) {
      try {
        const provider = providers.get(name);
        checkCreateRequest(provider, request);
        return provider.images.create(request, options);
      } catch (error) {
        // What is wrong before the start rejects like what goes wrong after it.
        return startOperation(() => Promise.reject(error), options);
      }
    },

    async update(target, changes, options) {
      const ref = toRef(target);
      return providers.get(ref.provider).images.update(ref.id, changes, options);
    },
  };
}

async function useImage(
  providers: Providers,
  image: Image,
  options: UseOptions,
): Promise<UsableImage> {
  const refusal = refusalOf(image);
  if (refusal === undefined) return { image, warnings: deprecationWarnings(image) };
  if (options.followReplacement === true && refusal.code !== 'FAILED_PRECONDITION') {
    for await (const next of followReplacements(providers, image, options)) {
      if (next.ref.provider !== image.ref.provider) break;
      if (refusalOf(next) !== undefined) continue;
      const message = `${nameOf(image)} is ${image.deprecation.state}; ${nameOf(next)} is used instead`;
      const replaced: UseWarning = {
        code: 'REPLACED',
        image: image.ref,
        message,
        replacement: next.ref,
      };
      return { image: next, warnings: [replaced, ...deprecationWarnings(next)] };
    }
  }
  throw refusal;
}

/** Why an image can't be used, if it can't. */
function refusalOf(image: Image): ImgkitError | undefined {
  const { state, replacement: ref } = image.deprecation;
  const replacement = ref === undefined ? undefined : formatRef(ref);
  const details = {
    provider: image.ref.provider,
    operation: 'images.forUse',
    resource: image.ref.id,
  };
  if (state === 'OBSOLETE' || state === 'DELETED') {
    return new ImgkitError(
      state === 'OBSOLETE' ? 'IMAGE_OBSOLETE' : 'IMAGE_DELETED',
      `${nameOf(image)} is ${state}: it must not be used any more`,
      {
        ...details,
        replacement,
        hint: replacement === undefined ? 'It has no replacement.' : `Use ${replacement} instead.`,
      },
    );
  }
  if (image.status === 'READY') return undefined;
  return new ImgkitError('FAILED_PRECONDITION', `${nameOf(image)} is ${image.status}, not READY`, {
    ...details,
    hint:
      image.status === 'PENDING' ? 'It is still being made: wait for it.' : 'It can not be used.',
  });
}

function deprecationWarnings(image: Image): readonly UseWarning[] {
  const { state, replacement, dates } = image.deprecation;
  if (state !== 'DEPRECATED') return [];
  const instead = replacement === undefined ? '' : `; use ${formatRef(replacement)} instead`;
  const until = dates?.obsolete === undefined ? '' : `, and OBSOLETE from ${dates.obsolete}`;
  return [
    {
      code: 'IMAGE_DEPRECATED',
      image: image.ref,
      message: `${nameOf(image)} is DEPRECATED${until}${instead}`,
      replacement,
    },
  ];
}
