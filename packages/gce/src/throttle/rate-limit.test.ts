import { FakeClock } from '@imgkit/core/testing';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { RateLimit } from './rate-limit.ts';

/** How many of `times` lie in the fullest 60 seconds. */
function busiestMinute(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  let first = 0;
  return sorted.reduce((most, time, last) => {
    while (time - (sorted[first] ?? 0) > 60_000) first += 1;
    return Math.max(most, last - first + 1);
  }, 0);
}

describe('a rate limit', () => {
  it('never lets more through in any 60 seconds, and lets all through in their order', async () => {
    const bursts = fc.array(fc.tuple(fc.nat(90_000), fc.nat(60)), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(bursts, fc.integer({ min: 2, max: 90 }), async (arrivals, perMinute) => {
        const clock = new FakeClock();
        const limit = new RateLimit({ clock, perMinute });
        const passed: { id: number; at: number }[] = [];
        const all: Promise<void>[] = [];
        let id = 0;
        for (const [waitMs, count] of arrivals) {
          await clock.advance(waitMs);
          for (let n = 0; n < count; n += 1) {
            const mine = id++;
            all.push(limit.enter().then(() => void passed.push({ id: mine, at: clock.now() })));
          }
        }
        for (let minute = 0; minute < 400 && passed.length < id; minute += 1) {
          await clock.advance(60_000);
        }
        await Promise.all(all);
        expect(busiestMinute(passed.map(({ at }) => at))).toBeLessThanOrEqual(perMinute);
        expect(passed.map((one) => one.id)).toEqual([...Array(id).keys()]);
      }),
      { numRuns: 40 },
    );
  });

  it('uses what it may: 600 a minute are through in some 10 minutes for 6,000', async () => {
    const clock = new FakeClock();
    const start = clock.now();
    const limit = new RateLimit({ clock, perMinute: 600 });
    let last = 0;
    const all = Array.from({ length: 6000 }, () => limit.enter().then(() => (last = clock.now())));
    await clock.advance(15 * 60_000);
    await Promise.all(all);
    expect(last - start).toBeLessThan(11.1 * 60_000);
  });

  it('gives the place of one that was aborted to the next, and sleeps for nobody', async () => {
    const clock = new FakeClock();
    const limit = new RateLimit({ clock, perMinute: 10 });
    await limit.enter();
    const stop = new AbortController();
    const aborted = limit.enter(stop.signal);
    const next = limit.enter();
    stop.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    await clock.advance(60_000 / 9 + 1);
    await next;
    const late = new AbortController();
    const alone = limit.enter(late.signal);
    expect(clock.sleeping).toBe(1);
    late.abort(new Error('enough'));
    await expect(alone).rejects.toThrow('enough');
    await clock.advance(0);
    expect(clock.sleeping).toBe(0);
    await expect(limit.enter(late.signal)).rejects.toThrow('enough');
  });

  it('stops all of them after a refusal for as long as is asked, and goes on at half the pace', async () => {
    const clock = new FakeClock();
    const limit = new RateLimit({ clock, perMinute: 60 });
    const start = clock.now();
    const passed: number[] = [];
    const queue = (count: number): void => {
      for (let n = 0; n < count; n += 1) {
        void limit.enter().then(() => passed.push(clock.now() - start));
      }
    };
    queue(6);
    await clock.advance(0);
    expect(passed).toHaveLength(6);
    for (const _ of passed) limit.refused(30_000); // all that were under way
    queue(120);
    await clock.advance(30_000);
    expect(passed).toHaveLength(6);
    await clock.advance(30_000);
    const slow = passed.length - 6;
    expect(slow).toBeGreaterThan(12); // half of 27, and a little more as it recovers
    expect(slow).toBeLessThan(18);
    await clock.advance(5 * 60_000);
    queue(200);
    const before = passed.length;
    await clock.advance(60_000);
    expect(passed.length - before).toBeGreaterThanOrEqual(54); // recovered
  });

  it('waits for a minute when a refusal names no time', async () => {
    const clock = new FakeClock();
    const limit = new RateLimit({ clock, perMinute: 600 });
    limit.refused();
    let passed = false;
    const entered = limit.enter().then(() => (passed = true));
    await clock.advance(60_000);
    expect(passed).toBe(false);
    await clock.advance(1000);
    await entered;
  });
});
