import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../engine/clock.ts';

/** A clock on which nobody waits longer than a turn of the event loop: whoever sleeps moves the time on. */
export function quickClock(): Clock {
  let now = Date.parse('2026-11-21T09:00:00Z');
  return {
    now: () => now,
    async sleep(ms, signal) {
      await turn();
      signal?.throwIfAborted();
      now += ms;
    },
  };
}
