import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { chmod, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { ImgkitError, throwIfAborted } from '@imgkit/core';
import {
  convert,
  type Database,
  detectFormat,
  type QemuDiskFormat,
  type FreeSpace,
  measureCopy,
  ownName,
  readInfo,
  requireSpace,
  syncPath,
  writeSparse,
} from '@imgkit/core/local';

import { fileError } from '../errors.ts';
import { blobPath, type StoreLayout } from './layout.ts';

/** An immutable disk in the store. Sizes are in bytes. */
export interface Blob {
  /** The SHA-256 of the file, in hexadecimal. */
  readonly digest: string;
  /** The size of the file. */
  readonly size: number;
  /** The size of the disk. */
  readonly virtualSize: number;
}

/** A disk that is whole and flushed, but still in `tmp/` and known to no one else. */
export interface StagedBlob extends Blob {
  readonly path: string;
}

/** How a disk is taken into the store. */
export interface StageOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the part done, from 0 to 1. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

/**
 * The store's immutable disks, each a standalone qcow2 file (zstd) named by its digest. The same
 * content gives the same file, whatever format it came in.
 *
 * Taking a disk in has two halves. {@link stage} does the long work in `tmp/`. {@link commit} then
 * moves the file to its place and writes the rows that refer to it, under the catalog's write lock,
 * which the collector of garbage takes as well: no row ever points at a file that isn't there.
 */
export class BlobStore {
  readonly #layout: StoreLayout;
  readonly #catalog: Database;
  readonly #freeSpace: FreeSpace | undefined;

  constructor(layout: StoreLayout, catalog: Database, freeSpace?: FreeSpace) {
    this.#layout = layout;
    this.#catalog = catalog;
    this.#freeSpace = freeSpace;
  }

  /** The path of the blob `digest`, to be read only, whether or not it exists. */
  path(digest: string): string {
    return blobPath(this.#layout, digest);
  }

  /**
   * Stages a disk file from outside. Its format is found out by its content.
   *
   * @param expected - Refuse it unless it has this format.
   */
  async stageFile(
    path: string,
    options: StageOptions & { readonly expected?: QemuDiskFormat | undefined } = {},
  ): Promise<StagedBlob> {
    const format = await detectFormat(path, options.expected);
    return this.stageDisk(path, { ...options, format });
  }

  /** Stages a disk file that comes as a stream, see {@link stageFile}. */
  async stageStream(
    stream: AsyncIterable<Uint8Array>,
    options: StageOptions & {
      readonly expected?: QemuDiskFormat | undefined;
      /** Its size in bytes, to refuse early what doesn't fit. */
      readonly size?: number | undefined;
    } = {},
  ): Promise<StagedBlob> {
    const { signal, onProgress, size } = options;
    const path = this.#temporary('.disk');
    try {
      await this.#requireSpace(size ?? 0);
      await writeSparse(path, stream, {
        signal,
        onProgress: (bytes) => size !== undefined && onProgress?.(Math.min(1, bytes / size) / 2),
      });
      return await this.stageFile(path, {
        ...options,
        onProgress: (fraction) => onProgress?.(size === undefined ? fraction : 0.5 + fraction / 2),
      });
    } finally {
      await rm(path, { force: true });
    }
  }

  /**
   * Stages a disk of our own, with all its backing files flattened into it. Never for files from
   * outside: they could name any file of this machine as their backing file.
   */
  async stageDisk(
    path: string,
    options: StageOptions & {
      readonly format: QemuDiskFormat;
      /** Reads it although another process has it open; the caller knows that it is at rest. */
      readonly force?: boolean | undefined;
    },
  ): Promise<StagedBlob> {
    const { format, force, signal, onProgress } = options;
    throwIfAborted(signal, 'taking the disk into the store');
    await this.#requireSpace(await measureCopy(path, format, { signal }));
    const target = this.#temporary('.qcow2');
    try {
      await convert(path, target, {
        from: format,
        to: 'qcow2',
        compression: 'zstd',
        force,
        signal,
        onProgress,
      });
      return await this.seal(target, options);
    } catch (error) {
      await rm(target, { force: true });
      throw fileError(error, path);
    }
  }

  /** Stages a standalone qcow2 file that lies in `tmp/` already: makes it immutable, flushed, and hashed. */
  async seal(path: string, options: StageOptions = {}): Promise<StagedBlob> {
    const { virtualSize } = await readInfo(path, 'qcow2', options);
    const { digest, size } = await hashFile(path, options.signal);
    await chmod(path, 0o444);
    await syncPath(path);
    return { path, digest, size, virtualSize };
  }

  /** A new path in `tmp/` that is collected when this process dies. */
  #temporary(suffix: string): string {
    return join(this.#layout.tmp, ownName('', suffix));
  }

  /**
   * Moves staged disks to their places and runs `register`, in one transaction: when it throws, no
   * row was written. What `register` must do is refer to the blobs by a record or an overlay;
   * else they are garbage.
   */
  commit<T>(
    staged: readonly StagedBlob[],
    register: () => T extends PromiseLike<unknown> ? never : T,
  ): T {
    try {
      return this.#catalog.transaction(() => {
        for (const blob of staged) this.#place(blob);
        return register();
      });
    } finally {
      for (const { path } of staged) rmSync(path, { force: true });
    }
  }

  /** Drops staged disks that shall not be committed. */
  async discard(staged: readonly StagedBlob[]): Promise<void> {
    for (const { path } of staged) await rm(path, { force: true });
  }

  /**
   * The blob `digest`, if it is in the catalog.
   */
  find(digest: string): Blob | undefined {
    const row = this.#catalog.one('SELECT size, virtual_size FROM blobs WHERE digest = ?', digest);
    if (row === undefined) return undefined;
    return { digest, size: Number(row['size']), virtualSize: Number(row['virtual_size']) };
  }

  /**
   * The blob `digest`.
   *
   * @throws `NOT_FOUND` when it is not in the catalog.
   */
  get(digest: string): Blob {
    const blob = this.find(digest);
    if (blob !== undefined) return blob;
    throw new ImgkitError('NOT_FOUND', `the store has no blob ${digest}`, { resource: digest });
  }

  #place({ digest, size, virtualSize, path }: StagedBlob): void {
    const target = this.path(digest);
    // What stands is kept, unless it was cut off behind our back: then the new file repairs it.
    if (statSync(target, { throwIfNoEntry: false })?.size !== size) {
      renameSync(path, target);
      syncDirectory(this.#layout.blobs);
    }
    this.#catalog.run(
      'INSERT INTO blobs (digest, size, virtual_size, created_at) VALUES (?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING',
      digest,
      size,
      virtualSize,
      Date.now(),
    );
  }

  async #requireSpace(bytes: number): Promise<void> {
    await requireSpace(this.#layout.tmp, bytes, this.#freeSpace);
  }
}

/** The SHA-256 and the size in bytes of the file at `path`. */
export async function hashFile(
  path: string,
  signal?: AbortSignal,
): Promise<{ digest: string; size: number }> {
  const hash = createHash('sha256');
  const file = await open(path, 'r');
  const buffer = Buffer.allocUnsafe(2 ** 20);
  let size = 0;
  try {
    for (;;) {
      throwIfAborted(signal, 'hashing');
      const { bytesRead } = await file.read(buffer, 0, buffer.length, size);
      if (bytesRead === 0) return { digest: hash.digest('hex'), size };
      hash.update(buffer.subarray(0, bytesRead));
      size += bytesRead;
    }
  } finally {
    await file.close();
  }
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
