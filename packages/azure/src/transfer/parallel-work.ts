import { throwIfAborted } from '@imgkit/core';

/** How many pieces of a disk are on their way at a time: with their buffers they take 32 MiB. */
const concurrency = 8;

/**
 * Lets several workers do what there is to do, each one piece after the other. When one fails, the others end before
 * this does, so that nothing is written behind the caller's back.
 *
 * @param pieces - how many there are.
 * @param work - what one worker does, until nothing is left; the signal says when to stop.
 */
export async function workInParallel(
  pieces: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  const workers = Array.from({ length: Math.min(concurrency, pieces) }, async () => {
    try {
      await work(both);
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  });
  await Promise.allSettled(workers);
  throwIfAborted(signal);
  if (failed.signal.aborted) throw failed.signal.reason;
}
