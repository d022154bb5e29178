import type { Clock } from '@imgkit/core';

/** How many requests may pass in a minute. */
export interface RateLimitOptions {
  readonly clock: Clock;
  /** At most so many pass in any 60 seconds, wherever they begin; 2 or more. */
  readonly perMinute: number;
}

const minuteMs = 60_000;
/** The part of the minute's requests that may pass at once after a pause. */
const burstShare = 0.1;
/** The slowest pace that refusals lead to, as a part of the full one. */
const slowest = 1 / 16;
/** How long it takes from the slowest pace back to the full one when nothing is refused, in milliseconds. */
const recoveryMs = 5 * minuteMs;

interface Waiter {
  readonly pass: () => void;
}

/**
 * A token bucket: requests pass in the order in which they came. What passes at once and what is refilled in a minute are
 * together no more than the limit, so that no 60 seconds see more, wherever they begin.
 *
 * A refusal by the cloud stops all of them for as long as it asks, and halves the pace, which then recovers slowly: others
 * use the same quota, and how much isn't known.
 */
export class RateLimit {
  readonly #clock: Clock;
  readonly #burst: number;
  /** Tokens per millisecond at full pace. */
  readonly #refill: number;
  readonly #waiting = new Set<Waiter>();
  #tokens: number;
  #pace = 1;
  #updatedAt: number;
  #closedUntil = 0;
  /** Ends the sleep of {@link RateLimit.#letPass} when nobody waits any more. */
  #asleep: AbortController | undefined;

  constructor({ clock, perMinute }: RateLimitOptions) {
    this.#clock = clock;
    this.#burst = Math.max(1, Math.floor(perMinute * burstShare));
    this.#refill = (perMinute - this.#burst) / minuteMs;
    this.#tokens = this.#burst;
    this.#updatedAt = clock.now();
  }

  /** Resolves when the request may be made. Throws the signal's reason once it aborts; the place is then given to the next. */
  async enter(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#update();
    if (this.#waiting.size === 0 && this.#isOpen()) {
      this.#tokens -= 1;
      return;
    }
    const passed = Promise.withResolvers<void>();
    const waiter: Waiter = { pass: passed.resolve };
    const abort = (): void => passed.reject(signal?.reason);
    this.#waiting.add(waiter);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      this.#pump();
      await passed.promise;
    } finally {
      this.#waiting.delete(waiter);
      if (this.#waiting.size === 0) this.#asleep?.abort();
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Tells that the cloud refused a request: nothing passes for `retryAfterMs`, a minute by default, and less for some minutes. */
  refused(retryAfterMs: number = minuteMs): void {
    this.#update();
    const now = this.#clock.now();
    // Of many that were under way together, one says as much as all.
    if (now >= this.#closedUntil) this.#pace = Math.max(slowest, this.#pace / 2);
    this.#closedUntil = Math.max(this.#closedUntil, now + retryAfterMs);
    this.#tokens = 0;
  }

  #isOpen(): boolean {
    return this.#tokens >= 1 && this.#clock.now() >= this.#closedUntil;
  }

  #update(): void {
    const now = this.#clock.now();
    const elapsed = Math.max(0, now - Math.max(this.#updatedAt, this.#closedUntil));
    this.#tokens = Math.min(this.#burst, this.#tokens + elapsed * this.#refill * this.#pace);
    this.#pace = Math.min(1, this.#pace + elapsed / recoveryMs);
    this.#updatedAt = Math.max(this.#updatedAt, now);
  }

  /** One sleeper for all who wait. */
  #pump(): void {
    if (this.#asleep !== undefined) return;
    const asleep = new AbortController();
    this.#asleep = asleep;
    // Only its own end can end it early: then nobody waits.
    void this.#letPass(asleep.signal)
      .catch(() => undefined)
      .finally(() => {
        this.#asleep = undefined;
        if (this.#waiting.size > 0) this.#pump();
      });
  }

  async #letPass(signal: AbortSignal): Promise<void> {
    while (this.#waiting.size > 0) {
      this.#update();
      if (!this.#isOpen()) {
        await this.#clock.sleep(this.#untilOpen(), signal);
        continue;
      }
      for (const waiter of this.#waiting) {
        if (this.#tokens < 1) break;
        this.#tokens -= 1;
        this.#waiting.delete(waiter);
        waiter.pass();
      }
    }
  }

  #untilOpen(): number {
    const closed = Math.max(0, this.#closedUntil - this.#clock.now());
    const missing = Math.max(0, 1 - this.#tokens) / (this.#refill * this.#pace);
    return Math.max(1, Math.ceil(closed + missing));
  }
}
