import {
  ImgkitError,
  ownedKinds,
  type CallOptions,
  type ImageRef,
  type Labels,
  type Operation,
  type OwnedKind,
  type OwnedResource,
  type OwnedResources,
} from '@imgkit/core';

/** What each capability gives of its resources; images have their id in a ref. */
interface Listed {
  readonly id?: string | undefined;
  readonly ref?: ImageRef | undefined;
  readonly name: string;
  readonly createdAt: string;
  readonly labels: Labels;
}

/** The capability that holds the resources of one kind. */
interface OwnedCollection {
  list(filter: { readonly labels: Labels }, options?: CallOptions): AsyncIterable<Listed>;
  delete(id: string, options?: CallOptions): Operation<void>;
}

/** The capabilities, by the kind of what they hold. */
export type OwnedCollections = Readonly<Partial<Record<OwnedKind, OwnedCollection>>>;

/** All of the provider's resource group and gallery that carries imgkit's labels. */
export class AzureOwnedResources implements OwnedResources {
  readonly #provider: string;
  readonly #collections: OwnedCollections;

  constructor(provider: string, collections: OwnedCollections) {
    this.#provider = provider;
    this.#collections = collections;
  }

  async *list(labels: Labels, options?: CallOptions): AsyncIterable<OwnedResource> {
    for (const kind of ownedKinds) {
      const collection = this.#collections[kind];
      if (collection === undefined) continue;
      for await (const resource of collection.list({ labels }, options)) {
        const { name, createdAt, ref, id = ref?.id } = resource;
        if (id !== undefined) yield { kind, id, name, createdAt, labels: resource.labels };
      }
    }
  }

  async delete(kind: OwnedKind, id: string, options?: CallOptions): Promise<void> {
    const collection = this.#collections[kind];
    if (collection === undefined) {
      throw new ImgkitError('INVALID_ARGUMENT', `"${kind}" is not a kind of resource here`, {
        provider: this.#provider,
        operation: 'owned.delete',
        resource: id,
        hint: `The kinds are ${Object.keys(this.#collections).join(', ')}.`,
      });
    }
    await collection.delete(id, options);
  }
}
