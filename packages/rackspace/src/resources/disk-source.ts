import { open, stat } from 'node:fs/promises';
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
  /** Where it is, if it is a file of this machine. */
  readonly path?: string | undefined;
  /** The bytes. A piece is only good until the next is asked for. */
  open(options?: CallOptions): Promise<AsyncIterable<Uint8Array>>;
}

const chunkBytes = 2 ** 19;

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
    path,
    open: async () => fileBytes(path),
  };
}

/** The bytes of a file, in two buffers: while one is used, the other is filled. */
export async function* fileBytes(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  await using file = await open(path);
  let [filled, free] = [Buffer.alloc(chunkBytes), Buffer.alloc(chunkBytes)];
  let reading = file.read(filled, 0, chunkBytes, null);
  try {
    for (;;) {
      const { bytesRead } = await reading;
      if (bytesRead === 0) return;
      reading = file.read(free, 0, chunkBytes, null);
      yield filled.subarray(0, bytesRead);
      [filled, free] = [free, filled];
    }
  } finally {
    // Before the file is closed.
    await reading.catch(() => undefined);
  }
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
