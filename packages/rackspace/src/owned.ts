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
export interface OwnedCollection {
  list(filter: { readonly labels: Labels }, options?: CallOptions): AsyncIterable<Listed>;
  delete(id: string, options?: CallOptions): Operation<void>;
}

/** All of a project that carries imgkit's labels. */
export class RackspaceOwnedResources implements OwnedResources {
  readonly #provider: string;
  readonly #collections: Readonly<Partial<Record<OwnedKind, OwnedCollection>>>;

  constructor(
    provider: string,
    collections: Readonly<Partial<Record<OwnedKind, OwnedCollection>>>,
  ) {
    this.#provider = provider;
    this.#collections = collections;
  }

  async *list(labels: Labels, options?: CallOptions): AsyncIterable<OwnedResource> {
    for (const kind of ownedKinds) {
      const listed = this.#collections[kind]?.list({ labels }, options) ?? [];
      for await (const resource of listed) {
        const { name, createdAt, ref, id = ref?.id } = resource;
        if (id !== undefined) yield { kind, id, name, createdAt, labels: resource.labels };
      }
    }
  }

  async delete(kind: OwnedKind, id: string, options?: CallOptions): Promise<void> {
    const collection = Object.hasOwn(this.#collections, kind) ? this.#collections[kind] : undefined;
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
