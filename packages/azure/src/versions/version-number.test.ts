import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  chooseNumber,
  compareNumbers,
  formatNumber,
  numberOf,
  parseNumber,
  type VersionNumber,
} from './version-number.ts';

const part = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const numbers = fc.tuple(part, part, part);

describe('the number of a version', () => {
  it.each([
    ['7', [7, 0, 0]],
    ['v1.2', [1, 2, 0]],
    ['2026.11.21', [2026, 11, 21]],
    ['20261121-093000', [20_261_121, 93_000, 0]],
    ['1.2.3-rc1', undefined],
    ['bookworm', undefined],
    ['1.2.3.4', undefined],
    ['2147483648', undefined],
  ])('of %s is %j', (version, number) => {
    expect(numberOf(version)).toEqual(number);
  });

  it('is read as it is written, and only then', () => {
    fc.assert(
      fc.property(numbers, (number) => {
        expect(parseNumber(formatNumber(number))).toEqual(number);
      }),
    );
    expect(parseNumber('1.0')).toBeUndefined();
    expect(parseNumber('v1.0.0')).toBeUndefined();
  });

  it('is compared by its parts, not as text', () => {
    expect(compareNumbers([1, 10, 0], [1, 9, 0])).toBeGreaterThan(0);
    expect(compareNumbers([2, 0, 0], [1, 99, 99])).toBeGreaterThan(0);
    expect(compareNumbers([1, 2, 3], [1, 2, 3])).toBe(0);
  });
});

describe('the number of a new version', () => {
  it('is its own where it has one that is free', () => {
    expect(chooseNumber('web', '1.5.0', [[2, 0, 0]])).toEqual([1, 5, 0]);
  });

  it('is above all that stand otherwise, and always the same', () => {
    const versions = fc.option(fc.constantFrom('bookworm', '1.0.0-rc1', '3'), { nil: undefined });
    const inRange = fc.tuple(fc.integer({ min: 0, max: 9 }), part, part);
    fc.assert(
      fc.property(fc.string(), versions, fc.array(inRange), (name, version, standing) => {
        const chosen = chooseNumber(name, version, standing);
        expect(chooseNumber(name, version, standing.toReversed())).toEqual(chosen);
        expect(chosen.every((one) => Number.isSafeInteger(one) && one >= 0 && one < 2 ** 31)).toBe(
          true,
        );
        const own =
          version === '3' && standing.every((one) => compareNumbers(one, [3, 0, 0]) !== 0);
        for (const one of standing) expect(own || compareNumbers(chosen, one) > 0).toBe(true);
      }),
    );
  });

  it('differs for images that are begun at the same time', () => {
    const standing: VersionNumber[] = [[1, 0, 0]];
    const chosen = ['web-1', 'web-2', 'web-3'].map((name) =>
      formatNumber(chooseNumber(name, undefined, standing)),
    );
    expect(new Set(chosen).size).toBe(3);
  });
});
