import {
  ImgkitError,
  type CallOptions,
  type Grant,
  type GrantOptions,
  type Principal,
  type Sharing,
  type SharingTraits,
} from '@imgkit/core';

import type { AzureContext } from './context.ts';
import { formatId, type ResourceId } from './resources/resource-id.ts';
import { CommunitySharing } from './sharing/community-sharing.ts';
import { DirectSharing } from './sharing/direct-sharing.ts';
import { changeSharing, readProfile } from './sharing/gallery-profile.ts';
import { RoleGrants } from './sharing/role-grants.ts';
import type { SharingWay } from './sharing/sharing-way.ts';
import { locateVersion, readImage } from './versions/versions.ts';

/** How the provider's gallery is shared, and what others call it. */
export interface AzureGallerySharing {
  /** How it can be shared beside roles; Azure decides that when a gallery is made, for good. */
  readonly permissions: 'Private' | 'Groups' | 'Community';
  /** The subscriptions and tenants that it is shared with. */
  readonly subscriptions: readonly string[];
  readonly tenants: readonly string[];
  /** Whether everybody may use it. */
  readonly open: boolean;
  /**
   * What consumers name as the project of its families, `family('web', { project })`: `/sharedGalleries/…` or
   * `/communityGalleries/…`. Nothing for a gallery that is shared by roles only.
   */
  readonly project: string | undefined;
  /** Whether the last change has come to all regions. */
  readonly settled: boolean;
}

/** Lets others use images, in the one of Azure's ways that `azure({ shareBy })` says. */
export class AzureSharing implements Sharing {
  readonly traits: SharingTraits;
  readonly #context: AzureContext;
  readonly #way: SharingWay;

  constructor(context: AzureContext) {
    this.#context = context;
    this.#way = wayOf(context);
    const { unit, principals, consumerLists } = this.#way;
    this.traits = { unit, principals, consumerAccepts: false, consumerLists };
  }

  async grant(id: string, principals: readonly Principal[], options?: GrantOptions): Promise<void> {
    const way = this.#way;
    await this.#context.call('sharing.grant', id, options, async () => {
      const version = await this.#find(id, options);
      way.check(principals);
      const scope = way.scopeOf(version);
      if (options?.allowWider !== true)
        throw new ImgkitError('FAILED_PRECONDITION', `this would share more than ${id}`, {
          resource: scope,
          hint: `Azure shares by the ${way.unit}: say { allowWider: true } if all of ${scope} is meant, also what comes later.`,
        });
      await way.grant(version, principals, options);
    });
  }

  list(id: string, options?: CallOptions): AsyncIterable<Grant> {
    const find = (): Promise<ResourceId> => this.#find(id, options);
    const way = this.#way;
    return this.#context.listing('sharing.list', id, options, async function* shown() {
      yield* way.list(await find(), options);
    });
  }

  async revoke(
    id: string,
    principals: readonly Principal[],
    options?: GrantOptions,
  ): Promise<void> {
    await this.#context.call('sharing.revoke', id, options, async () => {
      const version = await this.#find(id, options);
      this.#way.check(principals);
      await this.#way.revoke(version, principals, options);
    });
  }

  /** Tells how the provider's gallery is shared, and by which name others find it. */
  async gallery(options?: CallOptions): Promise<AzureGallerySharing> {
    const context = this.#context;
    return context.call('sharing.gallery', formatId(context.gallery), options, async () => {
      const {
        id: _,
        name,
        status: __,
        ...profile
      } = await readProfile(context, context.gallery, options);
      const place = { Groups: 'sharedGalleries', Community: 'communityGalleries', Private: '' };
      const known = name !== undefined && (profile.permissions !== 'Community' || profile.open);
      const prefix = place[profile.permissions];
      return { ...profile, project: known && prefix ? `/${prefix}/${name}` : undefined };
    });
  }

  /**
   * Ends all sharing of the provider's gallery that isn't by roles. Azure wants that before a gallery is deleted.
   *
   * @throws {@link ImgkitError} with `FAILED_PRECONDITION` for a gallery that can only be shared by roles.
   */
  async reset(options?: CallOptions): Promise<void> {
    const { gallery } = this.#context;
    await this.#context.call('sharing.reset', formatId(gallery), options, async () => {
      const { permissions } = await readProfile(this.#context, gallery, options);
      if (permissions === 'Private')
        throw new ImgkitError('FAILED_PRECONDITION', 'the gallery is shared by roles only', {
          hint: 'Take the roles back with sharing.revoke.',
        });
      await changeSharing(this.#context, gallery, { operationType: 'Reset' }, options);
    });
  }

  /** Where a version is, if it stands. */
  async #find(id: string, options?: CallOptions): Promise<ResourceId> {
    const { ref } = await readImage(this.#context, id, options);
    return locateVersion(ref.id);
  }
}

function wayOf(context: AzureContext): SharingWay {
  const { shareBy } = context.settings;
  if (shareBy === 'direct') return new DirectSharing(context);
  if (shareBy === 'community') return new CommunitySharing(context);
  return new RoleGrants(context, shareBy);
}

/**
 * Whether a provider's sharing is Azure's, which also tells how the whole gallery is shared.
 *
 * @example
 * ```ts
 * import type { Provider } from '@imgkit/core';
 * import { isAzureSharing } from '@imgkit/azure';
 *
 * async function publicName({ sharing }: Provider): Promise<string | undefined> {
 *   if (!isAzureSharing(sharing)) throw new Error('not at Azure');
 *   return (await sharing.gallery()).project; // '/communityGalleries/acmeimages-…'
 * }
 * ```
 */
export function isAzureSharing(sharing: unknown): sharing is AzureSharing {
  return sharing instanceof AzureSharing;
}
