import type { IncomingMessage } from 'node:http';
import { finished } from 'node:stream';

/** Content as it comes, some pieces at a time. They are only good until the next are asked for. */
export type PieceStream = AsyncIterable<readonly Uint8Array[]>;

/** How many bytes are gathered at a time: it costs much to hand over each piece that the connection reads. */
const batchBytes = 2 ** 20;

/**
 * The content of an answer. While some of it is used, the next is gathered. It ends early with an error, and never
 * as if that were all; what came before the error is given first.
 */
export async function* answerStream(
  message: IncomingMessage,
): AsyncGenerator<readonly Uint8Array[], void, undefined> {
  let [pieces, length]: [Uint8Array[], number] = [[], 0];
  let over: { readonly error?: Error | null | undefined } | undefined;
  let wake: (() => void) | undefined;
  const reads: Uint8Array[] = [];
  const keep = (read: Uint8Array): void => void reads.push(read);
  const { socket } = message;
  socket.on('data', keep);
  message.on('data', (piece: Uint8Array) => {
    // Node's parser copies what the connection has read: then that is garbage already.
    const isCopy = reads.every(({ buffer }) => buffer !== piece.buffer);
    for (const read of reads.splice(0)) if (isCopy) release(read);
    pieces.push(piece);
    length += piece.length;
    if (length < batchBytes) return;
    message.pause();
    wake?.();
  });
  const stopWaiting = finished(message, (error) => {
    over = { error };
    wake?.();
  });
  try {
    for (;;) {
      if (length < batchBytes && over === undefined) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
      const batch = pieces;
      [pieces, length] = [[], 0];
      if (over === undefined) message.resume();
      if (batch.length > 0) yield batch;
      for (const piece of batch) release(piece);
      if (over !== undefined && length === 0) break;
    }
    if (over.error) throw over.error;
  } finally {
    stopWaiting();
    socket.off('data', keep);
    message.destroy();
  }
}

/** Gives memory back at once: left to the collector, some 70 MiB of it pile up. */
function release({ buffer, byteLength }: Uint8Array): void {
  // Smaller than its buffer, it shares that with others.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
