import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

import { ImgkitError, throwIfAborted } from '@imgkit/core';
import { gzip, sparseTar, type Extent } from '@imgkit/core/local';

import { fileError } from './disk-file.ts';

const gib = 2 ** 30;
const chunkSize = 2 ** 20;
/** As much is looked at at a time for whether it is empty, in bytes. */
const grain = 2 ** 16;
const empty = Buffer.alloc(grain);

/** What is in a file. */
export interface ReadDisk {
  /** Its size, in bytes. */
  readonly size: number;
  /** Where it isn't zero. */
  readonly extents: readonly Extent[];
  /** Its digest as `sha256:<hex>`. */
  readonly digest: string;
}

interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the part that is done, from 0 to 1. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

/**
 * Reads a file once, and notes where it isn't zero: an archive of a disk says first where its data is.
 *
 * @throws {@link ImgkitError} with `NOT_FOUND` and the like; `CANCELLED`.
 */
export async function readDisk(
  path: string,
  { signal, onProgress }: ReadOptions = {},
): Promise<ReadDisk> {
  const hash = createHash('sha256');
  const extents: { offset: number; length: number }[] = [];
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const buffer = Buffer.alloc(chunkSize);
      let offset = 0;
      while (offset < size) {
        throwIfAborted(signal);
        const { bytesRead } = await file.read(buffer, 0, chunkSize, offset);
        if (bytesRead === 0) break;
        const chunk = buffer.subarray(0, bytesRead);
        hash.update(chunk);
        noteExtents(extents, chunk, offset);
        offset += bytesRead;
        onProgress?.(offset / size);
      }
      return { size: offset, extents, digest: `sha256:${hash.digest('hex')}` };
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(error, path);
  }
}

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` if a digest isn't the one that is expected. */
export function checkDigest(path: string, found: string, expected: string | undefined): void {
  if (expected === undefined || found === expected) return;
  throw new ImgkitError('INVALID_ARGUMENT', `${path} has the digest ${found}, not ${expected}`, {
    resource: path,
    hint: 'It was changed or cut off on the way: fetch it again.',
  });
}

/**
 * The archive that Google makes images of: a gzipped old-GNU tar with the one file `disk.raw`, of whole GiB.
 *
 * @yields Its bytes.
 * @see https://cloud.google.com/compute/docs/import/import-existing-image
 */
export async function* packDisk(
  path: string,
  { size, extents }: ReadDisk,
  { signal, onProgress }: ReadOptions = {},
): AsyncGenerator<Buffer, void, undefined> {
  const whole = Math.ceil(size / gib) * gib;
  // The same file gives the same bytes each time.
  const modifiedAt = new Date(0);
  const member = { path, name: 'disk.raw', size: whole, extents, modifiedAt };
  const tar = sparseTar(member, {
    signal,
    onProgress: (done, total) => onProgress?.(done / Math.max(1, total)),
  });
  yield* gzip(tar);
}

function noteExtents(
  extents: { offset: number; length: number }[],
  chunk: Buffer,
  offset: number,
): void {
  for (let at = 0; at < chunk.length; at += grain) {
    const part = chunk.subarray(at, at + grain);
    if (part.equals(empty.subarray(0, part.length))) continue;
    const last = extents.at(-1);
    if (last !== undefined && last.offset + last.length === offset + at) last.length += part.length;
    else extents.push({ offset: offset + at, length: part.length });
  }
}
