import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ImgkitError } from '../spec/errors.ts';
import { retryDelay } from './retry.ts';

const busy = new ImgkitError('UNAVAILABLE', 'busy');

describe('retryDelay', () => {
  it('grows by the factor up to the longest wait', () => {
    const policy = { maxAttempts: 10, initialMs: 100, maxMs: 500, factor: 2 };
    const waits = [1, 2, 3, 4, 5].map((failures) => retryDelay(policy, failures, busy, () => 1));
    expect(waits).toEqual([100, 200, 400, 500, 500]);
  });

  it('gives up after the last attempt', () => {
    expect(retryDelay({ maxAttempts: 3 }, 2, busy)).toBeDefined();
    expect(retryDelay({ maxAttempts: 3 }, 3, busy)).toBeUndefined();
  });

  it('does not retry what would fail again, or what is no imgkit error', () => {
    expect(retryDelay({}, 1, new ImgkitError('NOT_FOUND', 'gone'))).toBeUndefined();
    expect(retryDelay({}, 1, new Error('a bug'))).toBeUndefined();
  });

  it('waits at least as long as the cloud asks, and never longer than it need', () => {
    fc.assert(
      fc.property(fc.nat(200_000), fc.integer({ min: 1, max: 4 }), (retryAfterMs, failures) => {
        const error = new ImgkitError('RATE_LIMITED', 'slow down', { retryAfterMs });
        const wait = retryDelay({}, failures, error) ?? -1;
        expect(wait).toBeGreaterThanOrEqual(retryAfterMs);
        expect(wait).toBeLessThanOrEqual(Math.max(60_000, retryAfterMs));
      }),
    );
  });
});
