import {
  ImgkitError,
  type CallOptions,
  type CreateImageRequest,
  type Labels,
  type OperationControl,
  type OwnedItem,
} from '@imgkit/core';

import type { BlobContainer } from './blob-container.ts';
import type { DiskFile } from './disk-file.ts';
import { uploadDisk } from './disk-upload.ts';
import type { StorageSettings } from './storage-settings.ts';

/** What a {@link BlobUploads} is made of. */
export interface BlobUploadsParts {
  readonly storage: StorageSettings;
  readonly container: BlobContainer;
}

/** What the names of our blobs begin with. Nothing is ever removed by it alone. */
const folder = 'imgkit/';
/** The metadata with the labels: their own names can't be names of metadata. */
const labelsMark = 'imgkitlabels';
/** All metadata of a blob take at most 8 KiB. */
const mostLabels = 6000;

/** Uploads disk files to a container, as fixed VHDs in page blobs, on their way into an image. */
export class BlobUploads {
  readonly #parts: BlobUploadsParts;

  constructor(parts: BlobUploadsParts) {
    this.#parts = parts;
  }

  /** The ARM id of the storage account. */
  get accountId(): string {
    return this.#parts.storage.accountId;
  }

  /**
   * Uploads a disk file. The same file with the same key goes on where it broke off, in whatever process; what was
   * uploaded of another one with this key is removed.
   *
   * @param key - The digest of the key that the image is made with.
   * @returns the address of the blob.
   */
  async upload(
    file: DiskFile,
    key: string,
    { name, labels = {} }: Pick<CreateImageRequest, 'name' | 'labels'>,
    control: OperationControl,
  ): Promise<string> {
    const { container } = this.#parts;
    const own = `${nameStart(name, key)}${file.identity.slice(0, 8)}.vhd`;
    await this.#removeAll(nameStart(name, key), control, own);
    const blob = await container.blob(own);
    await uploadDisk(blob, file, { [labelsMark]: encodeLabels(labels) }, control);
    return blob.address;
  }

  /** Whether uploads stay when their images stand. */
  get keeps(): boolean {
    return this.#parts.storage.keepUploads;
  }

  /** Removes what was uploaded for an image, once that stands, unless uploads are kept. */
  async finish(name: string, key: string): Promise<void> {
    if (!this.keeps) await this.discard(name, key);
  }

  /** Removes what was uploaded for an image that there won't be. */
  async discard(name: string, key: string): Promise<void> {
    await this.#removeAll(nameStart(name, key), {});
  }

  /** What the addresses of uploads begin with. */
  get place(): string {
    return this.#parts.container.addressOf(folder);
  }

  /** What was uploaded and is still there; nothing when there is no such container. */
  async *list(options?: CallOptions): AsyncGenerator<OwnedItem & { readonly id: string }> {
    const { container } = this.#parts;
    try {
      for await (const { name, createdAt, metadata } of container.list(folder, options)) {
        const labels = decodeLabels(metadata[labelsMark]);
        const id = container.addressOf(name);
        yield { id, name, createdAt: createdAt.toISOString(), labels };
      }
    } catch (error) {
      if (!ImgkitError.is(error, 'NOT_FOUND')) throw error;
    }
  }

  /** Removes an upload by its address. */
  async remove(address: string, options?: CallOptions): Promise<void> {
    const { container } = this.#parts;
    if (!address.startsWith(this.place))
      throw new ImgkitError('INVALID_ARGUMENT', `"${address}" was not uploaded by imgkit`, {
        resource: address,
        hint: `What is uploaded is below ${this.place}.`,
      });
    const blob = await container.blob(address.slice(container.addressOf('').length));
    await blob.remove(options);
  }

  async #removeAll(prefix: string, options: CallOptions, but?: string): Promise<void> {
    const { container } = this.#parts;
    for await (const { name } of container.list(prefix, options))
      if (name !== but) await (await container.blob(name)).remove(options);
  }
}

/** What the names of all uploads for an image begin with. */
function nameStart(name: string, key: string): string {
  return `${folder}${name}-${key.slice(0, 16)}-`;
}

function encodeLabels(labels: Labels): string {
  const all = JSON.stringify(labels);
  const own = Object.entries(labels).filter(([key]) => key.startsWith('imgkit-'));
  const kept = all.length > mostLabels ? JSON.stringify(Object.fromEntries(own)) : all;
  return Buffer.from(kept).toString('base64url');
}

function decodeLabels(text: string | undefined): Labels {
  try {
    const labels: unknown = JSON.parse(Buffer.from(text ?? '', 'base64url').toString());
    return Object.fromEntries(
      Object.entries(Object(labels)).map(([key, value]) => [key, String(value)]),
    );
  } catch {
    return {};
  }
}
