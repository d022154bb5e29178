import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw } from 'node:zlib';

const deflate = promisify(deflateRaw);
const blockSize = 2 ** 20;
const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);

/**
 * Compresses to one gzip member, several blocks of 1 MiB at a time on the threads of libuv's pool.
 * Each block but the last ends with a sync flush, so that the blocks together are one deflate stream.
 *
 * @yields The bytes of the file.
 */
export async function* gzip(
  input: AsyncIterable<Buffer>,
  options: { readonly level?: number | undefined } = {},
): AsyncGenerator<Buffer, void, undefined> {
  const { level = 6 } = options;
  const ahead = Math.max(2, Math.min(availableParallelism(), 8)) + 1;
  const pending: Promise<Buffer>[] = [];
  let crc = 0;
  let length = 0;
  const start = (block: Buffer, finishFlush: number): void => {
    crc = crc32(block, crc);
    length += block.length;
    const job = deflate(block, { level, finishFlush });
    job.catch(() => {}); // awaited below; an early return must not leave it unhandled
    pending.push(job);
  };
  yield header;
  for await (const block of blocks(input)) {
    start(block, constants.Z_SYNC_FLUSH);
    while (pending.length >= ahead) yield await next(pending);
  }
  start(Buffer.alloc(0), constants.Z_FINISH);
  while (pending.length > 0) yield await next(pending);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc, 0);
  trailer.writeUInt32LE(length % 2 ** 32, 4);
  yield trailer;
}

async function next(pending: Promise<Buffer>[]): Promise<Buffer> {
  const [first] = pending.splice(0, 1);
  return first ?? Buffer.alloc(0);
}

// Cuts and joins chunks to blocks of 1 MiB.
async function* blocks(input: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  let parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of input) {
    let rest = chunk;
    while (rest.length > 0) {
      const part = rest.subarray(0, blockSize - size);
      rest = rest.subarray(part.length);
      parts.push(part);
      size += part.length;
      if (size < blockSize) continue;
      yield Buffer.concat(parts);
      parts = [];
      size = 0;
    }
  }
  if (size > 0) yield Buffer.concat(parts);
}
