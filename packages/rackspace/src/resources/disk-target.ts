import { open } from 'node:fs/promises';

const pieceBytes = 2 ** 20;

/**
 * Writes a new file from pieces of any size. While one piece is written, the next is gathered.
 *
 * @param see - Is shown each piece, and how many bytes there were, as it is written.
 * @returns The size of the file, in bytes.
 */
export async function writeFile(
  path: string,
  bytes: AsyncIterable<Uint8Array>,
  see: (piece: Uint8Array, totalBytes: number) => Promise<void>,
): Promise<number> {
  await using file = await open(path, 'wx', 0o600);
  let [gathered, free] = [Buffer.alloc(pieceBytes), Buffer.alloc(pieceBytes)];
  let writing: Promise<unknown> = Promise.resolve();
  let length = 0;
  let total = 0;
  const flush = async (): Promise<void> => {
    const piece = gathered.subarray(0, length);
    await writing;
    writing = file.appendFile(piece);
    // It is waited for later, and its error is thrown then.
    writing.catch(() => undefined);
    total += length;
    await see(piece, total);
    [gathered, free, length] = [free, gathered, 0];
  };
  try {
    for await (const chunk of bytes) {
      for (let from = 0; from < chunk.length;) {
        const part = chunk.subarray(from, from + pieceBytes - length);
        gathered.set(part, length);
        length += part.length;
        from += part.length;
        if (length === pieceBytes) await flush();
      }
    }
    if (length > 0) await flush();
    await writing;
    return total;
  } finally {
    // Before the file is closed.
    await writing.catch(() => undefined);
  }
}
