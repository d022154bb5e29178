import { describe, expect, it } from 'vitest';

import { machineImageRate, snapshotRate, waitForRate } from './creation-rate.ts';

const minute = 60_000;

describe('the creation rate', () => {
  it('of machine images is one in ten minutes', () => {
    expect(waitForRate(machineImageRate, [], 0)).toBe(0);
    expect(waitForRate(machineImageRate, [0], 4 * minute)).toBe(6 * minute);
    expect(waitForRate(machineImageRate, [0], 10 * minute)).toBe(0);
  });

  it('of snapshots is six in an hour, in any order', () => {
    const five = [1, 2, 3, 4, 0].map((at) => at * minute);
    expect(waitForRate(snapshotRate, five, 5 * minute)).toBe(0);
    expect(waitForRate(snapshotRate, [...five, 5 * minute], 6 * minute)).toBe(54 * minute);
    expect(waitForRate(snapshotRate, [...five, 5 * minute], 60 * minute)).toBe(0);
  });
});
