import type { CallOptions } from '../spec/call-options.ts';
import {
  ownedKinds,
  type OwnedKind,
  type OwnedResource,
  type OwnedResources,
} from '../spec/capabilities/owned.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { Labels } from '../spec/labels.ts';
import type { ImageRef } from '../spec/ref.ts';

/** What a capability tells of each of its resources; images have their id in a ref. */
export interface OwnedItem {
  readonly id?: string | undefined;
  readonly ref?: ImageRef | undefined;
  readonly name: string;
  readonly createdAt: string;
  readonly labels: Labels;
}

/** The capability that holds the resources of one kind. */
export interface OwnedCollection {
  list(filter: { readonly labels: Labels }, options?: CallOptions): AsyncIterable<OwnedItem>;
  delete(id: string, options?: CallOptions): PromiseLike<unknown>;
}

/** The capabilities of a provider, by the kind of what they hold. */
export type OwnedCollections = Readonly<Partial<Record<OwnedKind, OwnedCollection>>>;

/**
 * Puts {@link OwnedResources} together from the capabilities that hold the resources: how adapters make theirs. They
 * are listed in the order in which they are removed.
 *
 * @param provider - The name of the provider, for errors.
 *
 * @example
 * ```ts
 * import { ownedResources, type Disks, type Images } from '@imgkit/core';
 *
 * declare const images: Images;
 * declare const disks: Disks;
 *
 * const owned = ownedResources('prod', { image: images, disk: disks });
 * for await (const { kind, id } of owned.list({ 'imgkit-run': 'run-1' })) console.log(kind, id);
 * ```
 */
export function ownedResources(provider: string, collections: OwnedCollections): OwnedResources {
  return {
    async *list(labels, options): AsyncGenerator<OwnedResource, void, undefined> {
      for (const kind of ownedKinds) {
        for await (const item of collections[kind]?.list({ labels }, options) ?? []) {
          const { name, createdAt, ref, id = ref?.id } = item;
          if (id !== undefined) yield { kind, id, name, createdAt, labels: item.labels };
        }
      }
    },

    async delete(kind, id, options) {
      const collection = Object.hasOwn(collections, kind) ? collections[kind] : undefined;
      if (collection === undefined) {
        throw new ImgkitError('INVALID_ARGUMENT', `"${kind}" is not a kind of resource here`, {
          provider,
          operation: 'owned.delete',
          resource: id,
          hint: `The kinds are ${Object.keys(collections).join(', ')}.`,
        });
      }
      await collection.delete(id, options);
    },
  };
}
