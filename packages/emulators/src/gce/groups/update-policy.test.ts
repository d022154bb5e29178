import { describe, expect, it } from 'vitest';

import { calculated, readUpdatePolicy, shownPolicy } from './update-policy.ts';

const zonal = { size: 3, zones: ['a'], regional: false };
const regional = { size: 20, zones: ['a', 'b', 'c'], regional: true };

describe('an update policy', () => {
  it('has Google’s defaults', () => {
    expect(shownPolicy(readUpdatePolicy(undefined, zonal), zonal)).toEqual({
      type: 'OPPORTUNISTIC',
      minimalAction: 'REPLACE',
      mostDisruptiveAllowedAction: 'REPLACE',
      replacementMethod: 'SUBSTITUTE',
      maxSurge: { fixed: 1, calculated: 1 },
      maxUnavailable: { fixed: 1, calculated: 1 },
      instanceRedistributionType: undefined,
    });
    expect(readUpdatePolicy({}, regional).maxSurge).toEqual({ fixed: 3 });
  });

  it('keeps what a change doesn’t name', () => {
    const before = readUpdatePolicy({ type: 'PROACTIVE', maxSurge: { percent: 10 } }, regional);
    const after = readUpdatePolicy({ maxUnavailable: { fixed: 0 } }, regional, before);
    expect(after).toEqual({ ...before, maxUnavailable: { fixed: 0 } });
  });

  it.each([
    ['both bounds are 0', zonal, { maxSurge: { fixed: 0 }, maxUnavailable: { fixed: 0 } }],
    ['a small group has a percentage', zonal, { maxSurge: { percent: 50 } }],
    ['a percentage is above 100', regional, { maxSurge: { percent: 101 } }],
    ['a bound is negative', zonal, { maxSurge: { fixed: -1 } }],
    ['a bound is given twice', regional, { maxSurge: { fixed: 3, percent: 50 } }],
    ['a regional bound is less than the zones', regional, { maxSurge: { fixed: 2 } }],
    ['machines keep their names beside a surge', zonal, { replacementMethod: 'RECREATE' }],
    ['nothing can be allowed', zonal, { mostDisruptiveAllowedAction: 'REFRESH' }],
    ['a word is unknown', zonal, { type: 'EAGER' }],
  ])('is refused when %s', (_, shape, policy) => {
    expect(() => readUpdatePolicy(policy, shape)).toThrow(/updatePolicy/);
  });

  it('rounds parts up', () => {
    expect(calculated({ percent: 10 }, 15)).toBe(2);
    expect(calculated({ fixed: 4 }, 15)).toBe(4);
  });
});
