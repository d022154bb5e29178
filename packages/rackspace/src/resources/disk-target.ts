import { open } from 'node:fs/promises';

import type { PieceStream } from '../http/answer-stream.ts';

/**
 * Writes a new file. While pieces are written, the stream gathers the next.
 *
 * @param see - Is shown each piece as it is written, and how many bytes there are with it.
 * @returns The size of the file, in bytes.
 */
export async function writeFile(
  path: string,
  stream: PieceStream,
  see: (piece: Uint8Array, totalBytes: number) => void,
): Promise<number> {
  await using file = await open(path, 'wx', 0o600);
  let total = 0;
  for await (const pieces of stream) {
    const writing = file.writev(pieces);
    // It is waited for later, and its error is thrown then.
    writing.catch(() => undefined);
    try {
      for (const piece of pieces) see(piece, (total += piece.length));
    } finally {
      await writing;
    }
  }
  return total;
}
