import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';

import { ImgkitError, type CallOptions } from '@imgkit/core';

import {
  checkFormat,
  detectFormat,
  fileFormat,
  headBytes,
  padded,
  type GlanceFormat,
} from './disk-format.ts';

/** Bytes of a disk, to be uploaded. */
export interface DiskSource {
  readonly format: GlanceFormat;
  /** How many bytes there are, when that is known before. */
  readonly sizeBytes: number | undefined;
  /** Whether the bytes can be had more than once. */
  readonly isRepeatable: boolean;
  /** The bytes. */
  open(options?: CallOptions): Promise<AsyncIterable<Uint8Array>>;
}

const chunkBytes = 1 << 20;

/**
 * A disk file of this machine.
 *
 * @throws {@link ImgkitError} with `NOT_FOUND`, or `INVALID_ARGUMENT` if it isn't of the format it was said to be.
 */
export async function fileSource(path: string, said?: GlanceFormat): Promise<DiskSource> {
  const size = await sizeOf(path);
  const format = await fileFormat(path, size);
  checkFormat(path, format, said);
  return {
    format,
    sizeBytes: size,
    isRepeatable: true,
    open: async () => createReadStream(path, { highWaterMark: chunkBytes }),
  };
}

async function sizeOf(path: string): Promise<number> {
  try {
    const found = await stat(path);
    if (found.isFile()) return found.size;
    throw new ImgkitError('INVALID_ARGUMENT', `${path} is no file`, { resource: path });
  } catch (error) {
    if (ImgkitError.is(error)) throw error;
    const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
    const missing = code === 'ENOENT' || code === 'ENOTDIR';
    throw new ImgkitError(
      missing ? 'NOT_FOUND' : 'PERMISSION_DENIED',
      missing ? `there is no file ${path}` : `${path} can't be read`,
      { resource: path, hint: `Check the path of ${basename(path)}.`, cause: error },
    );
  }
}

/** A disk that comes once. Its format is found out from its beginning. */
export async function streamSource(
  stream: AsyncIterable<Uint8Array>,
  said?: GlanceFormat,
): Promise<DiskSource> {
  const chunks = stream[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let length = 0;
  while (length < headBytes) {
    const next = await chunks.next();
    if (next.done === true) break;
    first.push(next.value);
    length += next.value.length;
  }
  const head = padded(Buffer.concat(first).subarray(0, headBytes));
  const found = detectFormat(head);
  // A fixed VHD shows what it is only at its end.
  const isFixedVhd = said === 'vhd' && found === 'raw';
  if (!isFixedVhd) {
    try {
      checkFormat('the stream', found, said);
    } catch (error) {
      await chunks.return?.();
      throw error;
    }
  }
  return {
    format: said ?? found,
    sizeBytes: undefined,
    isRepeatable: false,
    async open() {
      const whole = rest(first, chunks);
      return isFixedVhd ? endingAsVhd(whole) : whole;
    },
  };
}

async function* rest(
  first: readonly Uint8Array[],
  chunks: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let ended = false;
  try {
    yield* first;
    for (;;) {
      const next = await chunks.next();
      if (next.done === true) {
        ended = true;
        return;
      }
      yield next.value;
    }
  } finally {
    if (!ended) await chunks.return?.();
  }
}

async function* endingAsVhd(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let end = Buffer.alloc(0);
  for await (const chunk of chunks) {
    end = Buffer.concat([end, chunk.subarray(-512)]).subarray(-512);
    yield chunk;
  }
  // Before the end is told to the cloud, so that it drops what it got.
  checkFormat('the stream', detectFormat(Buffer.alloc(headBytes), end), 'vhd');
}
