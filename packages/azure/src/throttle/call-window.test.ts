import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { CallWindow } from './call-window.ts';

const windowMs = 180_000;

/** A clock that the test moves. */
function clockAt() {
  let now = 0;
  return { now: () => now, sleep: () => Promise.resolve(), move: (ms: number) => void (now += ms) };
}

describe('a window of calls', () => {
  it('never lets more pass than the cloud allows, whatever others take of it', () => {
    // Steps: how long until the next one, and whether it is a call of somebody else.
    const step = fc.record({ ms: fc.integer({ min: 0, max: 20_000 }), theirs: fc.boolean() });
    const steps = fc.array(step, { minLength: 50, maxLength: 300 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 20, max: 80 }), (all, limit) => {
        const clock = clockAt();
        const window = new CallWindow({ clock, windowMs, limit });
        let counted: number[] = [];
        let passed = 0;
        const left = (): number => {
          counted = counted.filter((at) => at > clock.now() - windowMs);
          return limit - counted.length;
        };
        for (const { ms, theirs } of all) {
          clock.move(ms);
          // Others take at most half of it.
          if (theirs && left() > limit / 2) counted.push(clock.now());
          for (let delay = window.delay(); delay > 0; delay = window.delay()) clock.move(delay);
          expect(left(), 'a call too many').toBeGreaterThan(0);
          window.begin();
          counted.push(clock.now());
          passed += 1;
          window.end(left());
        }
        expect(passed).toBe(all.length);
      }),
      { numRuns: 60 },
    );
  });

  it('counts those that are under way', () => {
    const window = new CallWindow({ clock: clockAt(), windowMs, limit: 10 });
    let begun = 0;
    for (; window.delay() === 0 && begun < 50; begun += 1) window.begin();
    expect(begun).toBe(9);
  });

  it('is closed after a refusal for as long as the cloud says', () => {
    const clock = clockAt();
    const window = new CallWindow({ clock, windowMs });
    expect(window.delay(), 'nothing is known').toBe(0);
    window.begin();
    window.end();
    window.close(17_000);
    expect(window.delay()).toBe(17_000);
    clock.move(17_000);
    expect(window.delay()).toBe(0);
  });
});
