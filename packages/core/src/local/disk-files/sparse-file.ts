import { open } from 'node:fs/promises';

import { throwIfAborted } from '../../plugin/operation.ts';

import { fileError } from '../system-errors.ts';

const window = 2 ** 16;
const zeros = Buffer.alloc(window);

/** How a stream is written. */
export interface WriteOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes taken so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/**
 * Writes a stream to the new file `path`, with holes where it has 64 KiB of zeros.
 *
 * @returns The size of the file in bytes.
 */
export async function writeSparse(
  path: string,
  stream: AsyncIterable<Uint8Array>,
  options: WriteOptions = {},
): Promise<number> {
  const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    throw fileError(error, path);
  });
  let position = 0;
  try {
    for await (const chunk of abortable(stream, options.signal)) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      for (const { start, end } of dataRuns(bytes, position))
        await file.writev([bytes.subarray(start, end)], position + start);
      position += bytes.length;
      options.onProgress?.(position);
    }
    await file.truncate(position);
    return position;
  } catch (error) {
    throw fileError(error, path);
  } finally {
    await file.close();
  }
}

// The parts of `bytes` that have to be written, where windows are aligned in the file.
function* dataRuns(bytes: Buffer, position: number): Generator<{ start: number; end: number }> {
  let start = 0;
  for (let from = 0; from < bytes.length;) {
    const to = Math.min(bytes.length, from + window - ((position + from) % window));
    const empty = bytes.compare(zeros, 0, to - from, from, to) === 0;
    if (empty && start < from) yield { start, end: from };
    if (empty) start = to;
    from = to;
  }
  if (start < bytes.length) yield { start, end: bytes.length };
}

// Ends the iteration as soon as the signal is aborted, also while the stream has nothing to give.
async function* abortable(
  stream: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  throwIfAborted(signal, 'reading the stream');
  const iterator = stream[Symbol.asyncIterator]();
  const aborted = Promise.withResolvers<undefined>();
  const abort = (): void => aborted.resolve(undefined);
  signal?.addEventListener('abort', abort, { once: true });
  let ended = false;
  try {
    for (;;) {
      const result = await Promise.race([iterator.next(), aborted.promise]);
      throwIfAborted(signal, 'reading the stream');
      if (result === undefined || result.done === true) {
        ended = true;
        return;
      }
      yield result.value;
    }
  } finally {
    signal?.removeEventListener('abort', abort);
    // Not awaited: a generator that hangs in its own await would never answer.
    if (!ended) void iterator.return?.().catch(() => {});
  }
}
