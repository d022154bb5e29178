import { setTimeout as delay } from 'node:timers/promises';

/** The time and the passing of it. Everything in imgkit that waits takes one, so that tests need not wait. */
export interface Clock {
  /** The current time, in milliseconds since the epoch. */
  now(): number;
  /**
   * Resolves after `ms` milliseconds.
   *
   * @throws The signal's reason, at once, when `signal` is or becomes aborted.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Node takes a longer delay than this (some 24.8 days) for no delay at all. */
const longestDelay = 2 ** 31 - 1;

/** The machine's own clock. */
export function systemClock(): Clock {
  return {
    now: () => Date.now(),
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      let left = ms;
      while (left > 0) {
        const part = Math.min(left, longestDelay);
        await delay(part, undefined, { signal }).catch((error: unknown) => {
          signal?.throwIfAborted();
          throw error;
        });
        left -= part;
      }
    },
  };
}
