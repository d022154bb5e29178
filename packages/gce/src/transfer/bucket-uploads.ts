import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import {
  ImgkitError,
  throwIfAborted,
  type CreateImageRequest,
  type ErrorCode,
  type OperationControl,
  type OwnedItem,
} from '@imgkit/core';
import type { Bucket, File } from '@google-cloud/storage';

import type { Credentials } from '../api/credentials.ts';
import { keyDigest } from '../api/request-id.ts';
import type { FileUploads } from '../images/image-sources.ts';
import { readFormat } from './disk-file.ts';
import { toInstant } from '../mapping.ts';
import { packDisk, readDisk } from './raw-disk.ts';

/** Where uploads go. */
export interface BucketUploadsParts {
  readonly credentials: Credentials;
  readonly project: string;
  readonly bucket: string;
  /** Where Cloud Storage is, if not at Google. */
  readonly endpoint: URL | undefined;
  readonly universeDomain: string | undefined;
}

/** Where Google's other services find objects. */
const server = 'https://storage.googleapis.com/';
/** What the names of our objects begin with. Nothing is ever removed by it. */
const folder = 'imgkit/';
/** Each piece is sent again by itself when the connection breaks; a multiple of 256 KiB, as Cloud Storage wants. */
const pieceBytes = 8 * 2 ** 20;

/**
 * Uploads disk files to a bucket, in pieces: a broken connection costs one piece. A raw disk is packed on the way,
 * without a copy on this machine.
 */
export class BucketUploads implements FileUploads {
  readonly #parts: BucketUploadsParts;
  #opening: Promise<Bucket> | undefined;

  constructor(parts: BucketUploadsParts) {
    this.#parts = parts;
  }

  async upload(
    path: string,
    request: Pick<CreateImageRequest, 'name' | 'idempotencyKey' | 'labels'>,
    { signal, progress }: OperationControl,
  ): Promise<string> {
    const format = await readFormat(path, undefined);
    const { name, idempotencyKey: key, labels } = request;
    const part = key === undefined ? randomUUID() : keyDigest(key).slice(0, 16);
    const object = `${folder}${name}-${part}.tar.gz`;
    const address = `${server}${this.#parts.bucket}/${object}`;
    const tell =
      (message: string, from: number, to: number) =>
      (fraction: number): void =>
        progress(message, from + (to - from) * fraction);
    const disk = await readDisk(path, { signal, onProgress: tell('reading the disk', 0, 0.2) });
    const onProgress = tell('uploading the disk', 0.2, 1);
    const content =
      format === 'raw'
        ? Readable.from(packDisk(path, disk, { signal, onProgress }), { objectMode: false })
        : Readable.from(counted(path, disk.size, onProgress), { objectMode: false });
    try {
      const target = (await this.#bucket()).file(object);
      const metadata = { contentType: 'application/gzip', metadata: { ...labels } };
      // By itself a stream starts its session without a token where the server isn't Google's.
      const [uri] = await target.createResumableUpload({ metadata });
      throwIfAborted(signal);
      const pieces = { uri, offset: 0, resumable: true, chunkSize: pieceBytes, metadata };
      await pipeline(content, target.createWriteStream(pieces), { signal });
    } catch (error) {
      throwIfAborted(signal);
      throw storageError(error, address);
    }
    return address;
  }

  /** What the addresses of uploads begin with: `gs://bucket/imgkit/`. */
  get place(): string {
    return `gs://${this.#parts.bucket}/${folder}`;
  }

  /** What was uploaded and is still there; nothing when there is no such bucket. Ids begin with {@link place}. */
  async *list(): AsyncGenerator<OwnedItem & { readonly id: string }, void, undefined> {
    for (const { name, metadata } of await this.#files()) {
      const labels = Object.fromEntries(
        Object.entries(metadata.metadata ?? {}).map(([key, value]) => [key, String(value)]),
      );
      const createdAt = toInstant(metadata.timeCreated);
      yield { id: `gs://${this.#parts.bucket}/${name}`, name, createdAt, labels };
    }
  }

  /** Removes an upload by its address, which begins with `gs://` or `https://`; one that is gone is fine. */
  async remove(address: string): Promise<void> {
    const [, name, object] = /^(?:gs:\/|https:\/\/[^/]+)\/([^/]+)\/(.+)$/.exec(address) ?? [];
    if (name !== this.#parts.bucket || object === undefined) return;
    try {
      await (await this.#bucket()).file(object).delete({ ignoreNotFound: true });
    } catch (error) {
      throw storageError(error, address);
    }
  }

  async #files(): Promise<readonly File[]> {
    try {
      const [files] = await (await this.#bucket()).getFiles({ prefix: folder });
      return files;
    } catch (error) {
      const failure = storageError(error, this.place);
      if (failure.code === 'NOT_FOUND') return [];
      throw failure;
    }
  }

  async #bucket(): Promise<Bucket> {
    const opening = (this.#opening ??= this.#open());
    return opening.catch((error: unknown) => {
      if (this.#opening === opening) this.#opening = undefined;
      throw error;
    });
  }

  async #open(): Promise<Bucket> {
    const { credentials, project, bucket, endpoint, universeDomain } = this.#parts;
    const { IdempotencyStrategy, Storage } = await import('@google-cloud/storage');
    const storage = new Storage({
      projectId: project,
      authClient: await credentials.auth(),
      useAuthWithCustomEndpoint: true,
      // The names are ours alone: to write, or to delete, one twice does no harm.
      retryOptions: { idempotencyStrategy: IdempotencyStrategy.RetryAlways },
      ...(endpoint === undefined ? {} : { apiEndpoint: endpoint.origin }),
      ...(universeDomain === undefined ? {} : { universeDomain }),
    });
    return storage.bucket(bucket);
  }
}

async function* counted(
  path: string,
  size: number,
  onProgress: (fraction: number) => void,
): AsyncGenerator<Buffer, void, undefined> {
  let done = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) {
    const bytes: Buffer = chunk;
    done += bytes.length;
    onProgress(done / Math.max(1, size));
    yield bytes;
  }
}

const byStatus: Readonly<Record<number, { readonly code: ErrorCode; readonly hint?: string }>> = {
  400: { code: 'INVALID_ARGUMENT', hint: 'See whether the name of the bucket is right.' },
  401: { code: 'UNAUTHENTICATED', hint: 'Renew the credentials.' },
  403: {
    code: 'PERMISSION_DENIED',
    hint: 'Ask for roles/storage.objectAdmin on the bucket.',
  },
  404: { code: 'NOT_FOUND', hint: 'Make the bucket, or say another one: gce({ bucket }).' },
  412: { code: 'FAILED_PRECONDITION', hint: 'See what the bucket’s policy of retention says.' },
  429: { code: 'RATE_LIMITED', hint: 'Cloud Storage has too much to do: try again in a minute.' },
  501: { code: 'UNSUPPORTED', hint: 'This server doesn’t have that call.' },
};

function storageError(error: unknown, address: string): ImgkitError {
  if (ImgkitError.is(error)) return error;
  const status: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  const known = typeof status === 'number' ? byStatus[status] : undefined;
  const providerCode = typeof status === 'number' ? String(status) : undefined;
  const message = error instanceof Error ? error.message : String(error);
  return new ImgkitError(known?.code ?? 'UNAVAILABLE', `Cloud Storage: ${message}`, {
    resource: address,
    hint: known?.hint ?? 'Check the network and the proxy, and try again.',
    providerCode,
    cause: error,
  });
}
