import { createHash } from 'node:crypto';

import { ImgkitError, throwIfAborted, type CallOptions, type Retrier } from '@imgkit/core';
import type { Extent } from '@imgkit/core/local';

import { storageError } from './storage-error.ts';

/** The most that one Put Page may hold, and one Get Blob that shall tell its MD5, in bytes. */
export const mostBytes = 4 * 2 ** 20;
/** Page ranges are asked for so many bytes at a time: of a blob in many pieces, all at once take Azure too long. */
const rangeWindow = 4 * 2 ** 30;

/** A page blob of the SDK, as far as it is used: its own type would be part of ours. */
interface SdkPageBlob {
  readonly url: string;
  getProperties(options: object): Promise<{
    readonly contentLength?: number | undefined;
    readonly metadata?: Readonly<Record<string, string>> | undefined;
  }>;
  create(size: number, options: object): Promise<unknown>;
  uploadPages(bytes: Buffer, offset: number, count: number, options: object): Promise<unknown>;
  setMetadata(metadata: Record<string, string>, options: object): Promise<unknown>;
  getPageRanges(
    offset: number,
    count: number,
    options: object,
  ): Promise<{
    readonly pageRange?:
      | readonly { readonly offset: number; readonly count?: number | undefined }[]
      | undefined;
  }>;
  download(
    offset: number,
    count: number,
    options: object,
  ): Promise<{
    readonly readableStreamBody?: AsyncIterable<string | Buffer> | undefined;
    readonly contentMD5?: Uint8Array | undefined;
  }>;
  delete(options: object): Promise<unknown>;
}

/** What is known of a blob. */
export interface BlobFacts {
  readonly size: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * One page blob, over Azure's own client. Every call may be made twice, and is, by imgkit's own policy, when that may
 * help; whatever it throws is an imgkit error.
 */
export class PageBlob {
  /** Its address, without a signature. */
  readonly address: string;
  readonly #client: SdkPageBlob;
  readonly #retrier: Retrier;

  constructor(client: SdkPageBlob, retrier: Retrier) {
    this.#client = client;
    this.#retrier = retrier;
    const { origin, pathname } = new URL(client.url);
    this.address = `${origin}${decodeURIComponent(pathname)}`;
  }

  /** What it is; nothing when it isn't there. */
  async facts(options?: CallOptions): Promise<BlobFacts | undefined> {
    try {
      const found = await this.#call(options, (abortSignal) =>
        this.#client.getProperties(stopped(abortSignal)),
      );
      const { contentLength: size = 0, metadata = {} } = found;
      return { size, metadata };
    } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
  }

  /**
   * Makes it, full of zeros.
   *
   * @returns false when one stands already: also when this call has made it, and its answer got lost.
   */
  async create({ size, metadata }: BlobFacts, options?: CallOptions): Promise<boolean> {
    try {
      await this.#call(options, (abortSignal) =>
        this.#client.create(size, {
          ...stopped(abortSignal),
          metadata: { ...metadata },
          conditions: { ifNoneMatch: '*' },
        }),
      );
      return true;
    } catch (error) {
      if (ImgkitError.is(error) && error.providerCode === 'BlobAlreadyExists') return false;
      throw error;
    }
  }

  /** Writes whole pages of 512 bytes, at most {@link mostBytes}. Azure checks their MD5. */
  async write(bytes: Buffer, offset: number, options?: CallOptions): Promise<void> {
    if (bytes.length > mostBytes || bytes.length % 512 !== 0 || offset % 512 !== 0)
      throw new ImgkitError('PROTOCOL', `${bytes.length} bytes at ${offset} are no pages`);
    const transactionalContentMD5 = createHash('md5').update(bytes).digest();
    await this.#call(options, (abortSignal) =>
      this.#client.uploadPages(bytes, offset, bytes.length, {
        ...stopped(abortSignal),
        transactionalContentMD5,
      }),
    );
  }

  /** Replaces its metadata. */
  async mark(metadata: BlobFacts['metadata'], options?: CallOptions): Promise<void> {
    await this.#call(options, (abortSignal) =>
      this.#client.setMetadata({ ...metadata }, stopped(abortSignal)),
    );
  }

  /** Where it has been written, in order and joined. */
  async written(size: number, options?: CallOptions): Promise<readonly Extent[]> {
    const found: { offset: number; length: number }[] = [];
    for (let start = 0; start < size; start += rangeWindow) {
      const count = Math.min(rangeWindow, size - start);
      const { pageRange = [] } = await this.#call(options, (abortSignal) =>
        this.#client.getPageRanges(start, count, stopped(abortSignal)),
      );
      for (const { offset, count: reach = 0 } of pageRange) {
        // The SDK counts to the last byte, not behind it.
        const length = Math.ceil(reach / 512) * 512;
        const last = found.at(-1);
        if (last !== undefined && last.offset + last.length === offset) last.length += length;
        else found.push({ offset, length });
      }
    }
    return found;
  }

  /** Reads at most {@link mostBytes}, and checks their MD5. */
  async read(offset: number, length: number, options?: CallOptions): Promise<Buffer> {
    return this.#call(options, async (abortSignal) => {
      const answer = await this.#client.download(offset, length, {
        ...stopped(abortSignal),
        rangeGetContentMD5: true,
        maxRetryRequests: 0,
      });
      const chunks: Buffer[] = [];
      for await (const chunk of answer.readableStreamBody ?? []) chunks.push(Buffer.from(chunk));
      const bytes = Buffer.concat(chunks);
      const { contentMD5 } = answer;
      const md5 = createHash('md5').update(bytes).digest();
      if (bytes.length !== length || (contentMD5 !== undefined && !md5.equals(contentMD5)))
        throw new ImgkitError('UNAVAILABLE', `what came of ${this.address} is damaged`, {
          resource: this.address,
          hint: 'Try again.',
        });
      return bytes;
    });
  }

  /** Removes it; removing what is gone succeeds. */
  async remove(options?: CallOptions): Promise<void> {
    try {
      await this.#call(options, (abortSignal) => this.#client.delete(stopped(abortSignal)));
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  #call<T>(
    { signal }: CallOptions = {},
    call: (abortSignal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    const once = async (): Promise<T> => {
      throwIfAborted(signal);
      try {
        return await call(signal);
      } catch (error) {
        throwIfAborted(signal);
        throw storageError(error, this.address);
      }
    };
    return this.#retrier.run(once, { safe: true, signal });
  }
}

/** Whether an error says that a blob, and not its container, isn't there. */
export function isGone(error: unknown): boolean {
  return ImgkitError.is(error, 'NOT_FOUND') && error.providerCode === 'BlobNotFound';
}

function stopped(abortSignal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return abortSignal === undefined ? {} : { abortSignal };
}
