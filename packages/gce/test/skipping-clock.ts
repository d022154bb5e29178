import type { Clock } from '@imgkit/core';
import { setTimeout as delay } from 'node:timers/promises';

/** A clock on which long sleeps are skipped: whoever sleeps for a second or more wakes up at once, later. */
export class SkippingClock implements Clock {
  /** How long the sleeps were that were skipped, in milliseconds. */
  readonly skipped: number[] = [];
  #aheadMs = 0;

  now(): number {
    return Date.now() + this.#aheadMs;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (ms < 1_000) return delay(ms, undefined, { signal });
    this.skipped.push(ms);
    this.#aheadMs += ms;
    return undefined;
  }
}
