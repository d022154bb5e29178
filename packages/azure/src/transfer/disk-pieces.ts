import { open } from 'node:fs/promises';

import { ImgkitError } from '@imgkit/core';
import { dataExtents, type Extent } from '@imgkit/core/local';

import { mostBytes } from './page-blob.ts';
import type { RawDisk } from './disk-file.ts';

/** So much is looked at at a time for whether it is empty, in bytes. */
const grain = 2 ** 16;
const empty = Buffer.alloc(grain);

/** A piece of a disk that is looked at as a whole, at most 4 MiB. */
export type Piece = Extent;

/** A part of a piece that isn't empty. */
export interface Data {
  /** Where it is on the disk, in bytes. */
  readonly offset: number;
  readonly bytes: Buffer;
}

/**
 * The pieces of a disk in which there may be data, in order: those that the file system says to be there. Where nobody
 * can ask it, all.
 */
export async function piecesOf(
  { path, diskSize }: Pick<RawDisk, 'path' | 'diskSize'>,
  signal?: AbortSignal,
): Promise<readonly Piece[]> {
  const pieces: Piece[] = [];
  let end = 0;
  for (const extent of await allocated(path, diskSize, signal)) {
    let offset = Math.max(end, Math.floor(extent.offset / grain) * grain);
    end = Math.min(diskSize, Math.ceil((extent.offset + extent.length) / grain) * grain);
    for (; offset < end; offset += mostBytes)
      pieces.push({ offset, length: Math.min(mostBytes, end - offset) });
  }
  return pieces;
}

async function allocated(
  path: string,
  diskSize: number,
  signal: AbortSignal | undefined,
): Promise<readonly Extent[]> {
  try {
    return await dataExtents(path, 'raw', { signal });
  } catch (error) {
    if (!ImgkitError.is(error, 'FAILED_PRECONDITION')) throw error;
    return [{ offset: 0, length: diskSize }];
  }
}

/** Reads pieces of one file. */
export interface PieceReader extends AsyncDisposable {
  /**
   * Reads a piece, and gives what of it isn't empty.
   *
   * @param buffer - Where it is read to: at least 4 MiB, which the result shows parts of.
   */
  read(piece: Piece, buffer: Buffer): Promise<readonly Data[]>;
}

/** Opens a file to read its pieces. */
export async function openPieces(path: string): Promise<PieceReader> {
  const file = await open(path, 'r');
  return {
    async read({ offset, length }, buffer) {
      const { bytesRead } = await file.read(buffer, 0, length, offset);
      // What is past the end of the file is zero.
      buffer.fill(0, bytesRead, length);
      return dataOf(buffer.subarray(0, length), offset);
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}

function dataOf(bytes: Buffer, offset: number): readonly Data[] {
  const found: Data[] = [];
  let start: number | undefined;
  for (let at = 0; at < bytes.length; at += grain) {
    const part = bytes.subarray(at, at + grain);
    const isData = !part.equals(empty.subarray(0, part.length));
    if (isData) start ??= at;
    else if (start !== undefined) {
      found.push({ offset: offset + start, bytes: bytes.subarray(start, at) });
      start = undefined;
    }
  }
  if (start !== undefined) found.push({ offset: offset + start, bytes: bytes.subarray(start) });
  return found;
}
