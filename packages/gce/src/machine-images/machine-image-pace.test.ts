import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { waitBefore } from './machine-image-pace.ts';

const minute = 60_000;

describe('the pace of machine images', () => {
  it('is one in ten minutes', () => {
    expect(waitBefore([], 0, false)).toBe(0);
    expect(waitBefore([0], 0, false)).toBe(10 * minute);
    expect(waitBefore([0, -5 * minute], 9 * minute, false)).toBe(minute);
    expect(waitBefore([0], 10 * minute, false)).toBe(0);
  });

  it('is six in an hour for a burst', () => {
    const five = [1, 2, 3, 4, 5].map((at) => at * minute);
    expect(waitBefore(five, 6 * minute, true)).toBe(0);
    expect(waitBefore([...five, 6 * minute], 7 * minute, true)).toBe(54 * minute);
    expect(waitBefore([...five, 6 * minute], 61 * minute, true)).toBe(0);
  });

  it('never lets more through than Google does, however they are asked for', () => {
    const steps = fc.array(fc.integer({ min: 0, max: 15 * minute }), { maxLength: 60 });
    fc.assert(
      fc.property(steps, fc.boolean(), (pauses, burst) => {
        const made: number[] = [];
        let now = 0;
        for (const pause of pauses) {
          now += pause;
          now += waitBefore(made, now, burst);
          made.push(now);
        }
        const [most, within] = burst ? [6, 60 * minute] : [1, 10 * minute];
        for (const start of made)
          expect(
            made.filter((at) => at >= start && at < start + within).length,
          ).toBeLessThanOrEqual(most);
      }),
    );
  });
});
