import { throwIfAborted, type CallOptions, type Retrier } from '@imgkit/core';
import type { ContainerClient } from '@azure/storage-blob';

import type { AzureTokenSource } from '../options.ts';
import { PageBlob } from './page-blob.ts';
import { storageError } from './storage-error.ts';
import type { StorageSettings } from './storage-settings.ts';

/** What a {@link BlobContainer} is made of. */
export interface BlobContainerParts {
  readonly storage: StorageSettings;
  readonly retrier: Retrier;
  /** Gives the provider's own credentials; asked only where the storage account has none of its own. */
  readonly tokens: () => Promise<AzureTokenSource | undefined>;
}

/** A blob in a listing. */
export interface ListedBlob {
  readonly name: string;
  readonly createdAt: Date;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The container that uploads go to. Azure's client of it is loaded at the first call. */
export class BlobContainer {
  readonly #parts: BlobContainerParts;
  #opening: Promise<ContainerClient> | undefined;

  constructor(parts: BlobContainerParts) {
    this.#parts = parts;
  }

  /** The address of a blob in it, without a signature. */
  addressOf(name: string): string {
    const { endpoint, container } = this.#parts.storage;
    return `${endpoint}/${container}/${name}`;
  }

  async blob(name: string): Promise<PageBlob> {
    const client = await this.#open();
    return new PageBlob(client.getPageBlobClient(name), this.#parts.retrier);
  }

  /** The blobs whose names begin so, page by page. */
  async *list(
    prefix: string,
    { signal }: CallOptions = {},
  ): AsyncGenerator<ListedBlob, void, undefined> {
    const client = await this.#open();
    let continuationToken: string | undefined;
    do {
      const settings = continuationToken === undefined ? {} : { continuationToken };
      const page = async () => {
        throwIfAborted(signal);
        try {
          const listing = client.listBlobsFlat({
            prefix,
            includeMetadata: true,
            ...(signal === undefined ? {} : { abortSignal: signal }),
          });
          const { value } = await listing.byPage(settings).next();
          return value;
        } catch (error) {
          throwIfAborted(signal);
          throw storageError(error, this.addressOf(prefix));
        }
      };
      const found = await this.#parts.retrier.run(page, { safe: true, signal });
      for (const { name, metadata = {}, properties } of found?.segment.blobItems ?? [])
        yield { name, metadata, createdAt: properties.createdOn ?? properties.lastModified };
      continuationToken = found?.continuationToken;
    } while (continuationToken !== undefined && continuationToken !== '');
  }

  #open(): Promise<ContainerClient> {
    const opening = (this.#opening ??= this.#load());
    return opening.catch((error: unknown) => {
      if (this.#opening === opening) this.#opening = undefined;
      throw error;
    });
  }

  async #load(): Promise<ContainerClient> {
    const { storage, tokens } = this.#parts;
    const { endpoint, container, account, credentials } = storage;
    const { ContainerClient: Client, StorageSharedKeyCredential } =
      await import('@azure/storage-blob');
    const url = `${endpoint}/${container}`;
    switch (credentials?.kind) {
      case 'key':
        return new Client(url, new StorageSharedKeyCredential(account, credentials.key), once);
      case 'sas':
        return new Client(`${url}?${credentials.sas.replace(/^.*\?/, '')}`, undefined, once);
      case undefined: {
        const source = await tokens();
        const credential = source && {
          getToken: (scopes: string | string[]) => source.getToken(scopes),
        };
        return new Client(url, credential, once);
      }
    }
  }
}

/** Opens a blob by an address that carries its signature. */
export async function openPublicBlob(address: string, retrier: Retrier): Promise<PageBlob> {
  const { AnonymousCredential, PageBlobClient } = await import('@azure/storage-blob');
  return new PageBlob(new PageBlobClient(address, new AnonymousCredential(), once), retrier);
}

/** imgkit repeats calls by its own policy. */
const once = {
  retryOptions: { maxTries: 1 },
  userAgentOptions: { userAgentPrefix: 'imgkit' },
};
