import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';

describe('parseDuration', () => {
  it.each([
    [250, 250],
    ['250ms', 250],
    ['30s', 30_000],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
  ] as const)('reads %s', (text, ms) => {
    expect(parseDuration(text, 'x')).toBe(ms);
  });

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('refuses the number %s', (value) => {
    expect(() => parseDuration(value, 'timeout')).toThrow(/timeout/u);
  });

  it('refuses what has no unit or an unknown one, and names the field', () => {
    for (const text of ['30', '30 s', '5w', '', 's']) {
      // @ts-expect-error -- what the type forbids, plain JavaScript may still pass
      const read = () => parseDuration(text, 'provision[0].timeout');
      expect(read).toThrow(
        expect.objectContaining({
          code: 'INVALID_ARGUMENT',
          data: { path: 'provision[0].timeout' },
        }),
      );
    }
  });
});

it('formatDuration writes short and long spans', () => {
  expect([20, 1500, 65_000].map(formatDuration)).toEqual(['20ms', '1.5s', '1m05s']);
});
