import { open } from 'node:fs/promises';
import { dirname } from 'node:path';

import { fileError, requireSpace, type Extent } from '@imgkit/core/local';

import { mostBytes, type PageBlob } from './page-blob.ts';
import { workInParallel } from './parallel-work.ts';

const footerBytes = 512;

/** How a disk is written. */
export interface DownloadOptions {
  /** Keeps the footer: the file is a fixed VHD then, and a raw disk without it. */
  readonly footer: boolean;
  readonly signal: AbortSignal;
  /** Called with the part that is done, from 0 to 1. */
  readonly onProgress: (fraction: number) => void;
}

/**
 * Writes the VHD of a blob to the new file `path`, with holes where it has none. Each piece is checked by its MD5 and its
 * length.
 */
export async function downloadDisk(
  blob: PageBlob,
  path: string,
  { footer, signal, onProgress }: DownloadOptions,
): Promise<void> {
  const { size = 0 } = (await blob.facts({ signal })) ?? {};
  const end = footer ? size : size - footerBytes;
  const pieces = cut(await blob.written(size, { signal }), end);
  const total = pieces.reduce((sum, { length }) => sum + length, 0);
  await requireSpace(dirname(path), total);
  const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    throw fileError(error, path);
  });
  let [next, done] = [0, 0];
  const work = async (stop: AbortSignal): Promise<void> => {
    for (let piece = pieces[next++]; piece !== undefined; piece = pieces[next++]) {
      const bytes = await blob.read(piece.offset, piece.length, { signal: stop });
      await file.write(bytes, 0, bytes.length, piece.offset);
      done += bytes.length;
      onProgress(done / total);
    }
  };
  try {
    await file.truncate(end);
    await workInParallel(pieces.length, signal, work);
  } catch (error) {
    throw fileError(error, path);
  } finally {
    await file.close();
  }
}

/** Pieces that can be read at once, up to where the file is to end. */
function cut(extents: readonly Extent[], end: number): readonly Extent[] {
  return extents.flatMap(({ offset, length }) => {
    const pieces: Extent[] = [];
    const stop = Math.min(end, offset + length);
    for (let at = offset; at < stop; at += mostBytes)
      pieces.push({ offset: at, length: Math.min(mostBytes, stop - at) });
    return pieces;
  });
}
