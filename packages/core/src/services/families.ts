import type { Providers } from '../plugin/providers.ts';
import type { CallOptions } from '../spec/call-options.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { FamilySelector } from '../spec/family.ts';
import type { DeprecationState, Image } from '../spec/image.ts';
import type { Provider } from '../spec/provider.ts';
import type { ImageRef } from '../spec/ref.ts';
import { nearNames } from '../near-names.ts';
import type { Channels } from './channels.ts';
import { findHead, newestFirst } from './family-head.ts';
import type { ImageTarget } from './image-target.ts';
import type { Publications } from './publications.ts';

/** A family by its name, or by a selector when another project holds it. */
export type FamilyName = string | FamilySelector;

/** One family of a provider's project. */
export interface FamilySummary {
  readonly name: string;
  /** How many images it has, staged and withdrawn ones included. */
  readonly images: number;
  /** The newest image that is READY, published and ACTIVE, as far as the listing tells. */
  readonly head?: Image | undefined;
}

/** How an image is published. */
export interface PublishOptions extends CallOptions {
  /** The family; the one the image is staged for by default. */
  readonly family?: string | undefined;
  /** The version in it; the image's own by default. */
  readonly version?: string | undefined;
  /** What becomes of the published images before it; `false` leaves them. `DEPRECATED` by default. */
  readonly deprecatePredecessors?: 'DEPRECATED' | 'OBSOLETE' | false | undefined;
}

/** What a publication did. */
export interface PublishResult {
  /** The published image as it is now. */
  readonly image: Image;
  /** The images that were deprecated, as they are now; their replacement is the published image. */
  readonly predecessors: readonly Image[];
  /** The id of the publication's record: `rollback` with it undoes this publication and no other. */
  readonly undo: string;
  /** Whether the image is now the head. It isn't when a newer one was left ACTIVE. */
  readonly isHead: boolean;
}

/** How a publication is undone. */
export interface RollbackOptions extends CallOptions {
  /** Rolls back only if this publication, by its {@link PublishResult.undo}, is the last one. */
  readonly undo?: string | undefined;
}

/** What a rollback did. */
export interface RollbackResult {
  /** The image whose publication was undone, as it is now; nothing if it is gone. */
  readonly image: Image | undefined;
  /** The images that are again exactly as they were before it. */
  readonly restored: readonly Image[];
  /** The images that were left as they are, because they are gone or somebody changed them since. */
  readonly untouched: readonly { readonly image: ImageRef; readonly reason: string }[];
  /** The head of the family now, if it has one. */
  readonly head: Image | undefined;
}

/** Lines of images, and what "latest" means in them. */
export interface FamilyService {
  /**
   * Gives the head of a family: the newest image that is READY, published and ACTIVE, as the cloud itself resolves
   * the family where it does.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND` if there is none: for an unknown family it lists those with a like name.
   *
   * @example
   * ```ts
   * import { createImgkit, family } from '@imgkit/core';
   * import { qemu } from '@imgkit/qemu';
   *
   * await using kit = await createImgkit({ providers: [qemu()] });
   * const head = await kit.families.head('qemu', family('web', { project: 'shared' }));
   * console.log(head.name, head.version);
   * ```
   */
  head(provider: string, family: FamilyName, options?: CallOptions): Promise<Image>;

  /** Lists all images of a family, staged and withdrawn ones too, the newest first. An unknown family has none. */
  versions(provider: string, family: FamilyName, options?: CallOptions): AsyncIterable<Image>;

  /** Lists the families of a provider's project by name. */
  list(provider: string, options?: CallOptions): AsyncIterable<FamilySummary>;

  /**
   * Publishes an image: it becomes the head, and only then are its predecessors deprecated, with it as their
   * replacement. At no moment does the family lack a head that it had. How all were before is written down first.
   *
   * Publishing again gives the same result and changes nothing; after a crash it finishes what was begun.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND`, `UNSUPPORTED` if the provider can't publish or deprecate,
   *   `INVALID_ARGUMENT` for a bad family or none, `FAILED_PRECONDITION` if the image isn't READY and ACTIVE, or is
   *   published in another family.
   */
  publish(image: ImageTarget, options?: PublishOptions): Promise<PublishResult>;

  /** Makes a published image staged again; nothing else changes. */
  withdraw(image: ImageTarget, options?: CallOptions): Promise<Image>;

  /**
   * Undoes the last publication of a family that isn't undone yet: its predecessors get back exactly the state,
   * replacement and dates they had, and only then is its image withdrawn. An image that somebody changed since is left.
   * What was before is read from the kit's state directory: roll back where you published.
   *
   * @throws {@link ImgkitError} with `FAILED_PRECONDITION` if there is none, or it isn't the one of `undo`.
   */
  rollback(provider: string, family: string, options?: RollbackOptions): Promise<RollbackResult>;

  /** Named pointers into families. */
  readonly channels: Channels;
}

/** The state that predecessors get. */
export type WithdrawnState = Extract<DeprecationState, 'DEPRECATED' | 'OBSOLETE'>;

/** Makes the families service. */
export function createFamilyService(
  providers: Providers,
  publications: Publications,
  channels: Channels,
): FamilyService {
  return {
    async head(name, family, options) {
      const provider = providers.get(name);
      const selector = toSelector(family);
      const head = await findHead(provider, selector, options);
      return head ?? (await noHead(provider, selector, options));
    },

    async *versions(name, family, options) {
      const versions: Image[] = [];
      const { family: familyName, project } = toSelector(family);
      const filter = { family: familyName, project };
      for await (const image of providers.get(name).images.list(filter, options)) {
        versions.push(image);
      }
      yield* versions.toSorted(newestFirst);
    },

    async *list(name, options) {
      const provider = providers.get(name);
      const counts = await countFamilies(provider, undefined, options);
      for (const family of [...counts.keys()].toSorted()) {
        const head = await findHead(provider, { kind: 'family', family }, options);
        yield { name: family, images: counts.get(family) ?? 0, head };
      }
    },

    publish: (image, options) => publications.publish(image, options),
    withdraw: (image, options) => publications.withdraw(image, options),
    rollback: (provider, family, options) => publications.rollback(provider, family, options),
    channels,
  };
}

function toSelector(family: FamilyName): FamilySelector {
  return typeof family === 'string' ? { kind: 'family', family } : family;
}

async function countFamilies(
  provider: Provider,
  project: string | undefined,
  options: CallOptions | undefined,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for await (const { family } of provider.images.list({ project }, options)) {
    if (family !== undefined) counts.set(family, (counts.get(family) ?? 0) + 1);
  }
  return counts;
}

/** Says why there is no head: the family is unknown, or none of its images may be it. */
async function noHead(
  provider: Provider,
  { family, project }: FamilySelector,
  options: CallOptions | undefined,
): Promise<never> {
  const counts = await countFamilies(provider, project, options);
  const place = `provider "${provider.name}"${project === undefined ? '' : `, project "${project}"`}`;
  const count = counts.get(family);
  const alike = nearNames(family, counts.keys());
  const others = alike.length > 0 ? alike : [...counts.keys()].toSorted().slice(0, 5);
  throw new ImgkitError(
    'NOT_FOUND',
    count === undefined
      ? `${place} has no family "${family}"`
      : `family "${family}" of ${place} has no head: none of its ${count} images is READY, published and ACTIVE`,
    {
      provider: provider.name,
      operation: 'families.head',
      resource: family,
      hint:
        count !== undefined
          ? 'Publish one of them with families.publish, or make one ACTIVE with deprecation.reactivate.'
          : others.length === 0
            ? 'There are no families there at all.'
            : `${alike.length > 0 ? 'Did you mean' : 'There are'}: ${others.join(', ')}?`.replace(
                /^(There are.*)\?$/,
                '$1.',
              ),
      data: { families: others },
    },
  );
}
