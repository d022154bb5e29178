/** The time of an emulator. Everything in it that takes time, or expires, asks this clock. */
export interface EmulatorClock {
  /** The time, in ms since 1970. */
  now(): number;
  /**
   * Calls back when so many ms have passed. A callback's promise is waited for where the clock can.
   *
   * @returns what takes the callback back.
   */
  after(ms: number, callback: () => void | Promise<void>): () => void;
}

/** A clock that stands still until it is advanced. */
export interface VirtualClock extends EmulatorClock {
  /**
   * Lets time pass: what is due happens, in its order, and is finished when this resolves.
   *
   * @param ms - how long, in ms.
   */
  advance(ms: number): Promise<void>;
}

/** The time of this machine. Its timers keep no process alive. */
export const realClock: EmulatorClock = {
  now: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(() => void callback(), ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

interface Due {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void | Promise<void>;
}

/**
 * Makes a clock that tests move by hand: with it, operations end exactly when the test says so.
 *
 * @param start - where it starts: ms since 1970, or an ISO 8601 instant. Now by default.
 *
 * @example
 * ```ts
 * import { createVirtualClock, startGceEmulator } from '@imgkit/emulators';
 *
 * const clock = createVirtualClock('2026-11-21T00:00:00Z');
 * await using emulator = await startGceEmulator({ clock, operationMs: 30_000 });
 * await fetch(`${emulator.endpoint}/compute/v1/projects/imgkit-test/global/images/web-1`, {
 *   method: 'DELETE',
 * });
 * await clock.advance(30_000); // the operation is done now
 * ```
 */
export function createVirtualClock(start: number | string = Date.now()): VirtualClock {
  let now = typeof start === 'string' ? Date.parse(start) : start;
  let order = 0;
  const pending = new Set<Due>();
  const next = (until: number): Due | undefined => {
    let first: Due | undefined;
    for (const due of pending) {
      const sooner =
        !first || due.at < first.at || (due.at === first.at && due.order < first.order);
      if (due.at <= until && sooner) first = due;
    }
    return first;
  };

  return {
    now: () => now,
    after(ms, callback) {
      const due = { at: now + ms, order: order++, callback };
      pending.add(due);
      return () => void pending.delete(due);
    },
    async advance(ms) {
      const until = now + ms;
      for (let due = next(until); due !== undefined; due = next(until)) {
        pending.delete(due);
        now = Math.max(now, due.at);
        await due.callback();
      }
      now = Math.max(now, until);
    },
  };
}
