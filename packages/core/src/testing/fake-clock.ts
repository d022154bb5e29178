import type { Clock } from '../engine/clock.ts';

/**
 * A clock that stands still until it is moved.
 *
 * @example
 * ```ts
 * import { FakeClock } from '@imgkit/core/testing';
 *
 * const clock = new FakeClock();
 * const woken = clock.sleep(60_000);
 * await clock.advance(60_000);
 * await woken;
 * ```
 */
export class FakeClock implements Clock {
  #now: number;
  readonly #sleepers = new Set<{ readonly at: number; readonly wake: () => void }>();

  /** @param now - The time to begin with, in milliseconds since the epoch. Default: 2026-01-01T00:00:00Z. */
  constructor(now: number = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  /** How many sleep at the moment. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        this.#sleepers.delete(sleeper);
        signal?.removeEventListener('abort', abort);
        settle();
      };
      const abort = () => end(() => reject(signal?.reason));
      const sleeper = { at: this.#now + ms, wake: () => end(resolve) };
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      signal?.addEventListener('abort', abort);
      if (ms <= 0) resolve();
      else this.#sleepers.add(sleeper);
    });
  }

  /**
   * Moves the time on by `ms` milliseconds, waking each sleeper at its own time, in order. What a sleeper does next
   * gets its turn before the next one is woken, so that a sleeper that goes to sleep again is woken again if its time comes.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await turn();
    for (;;) {
      const [next] = [...this.#sleepers].toSorted((a, b) => a.at - b.at);
      if (next === undefined || next.at > end) break;
      this.#now = Math.max(this.#now, next.at);
      next.wake();
      await turn();
    }
    this.#now = end;
    await turn();
  }
}

/** Lets everything that is ready have its turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
