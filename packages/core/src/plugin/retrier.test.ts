import { describe, expect, it } from 'vitest';
import type { Clock } from '../engine/index.ts';
import { errorCodes, ImgkitError, type ErrorCode } from '../spec/errors.ts';
import { createRetrier } from './retrier.ts';

function setUp(random = () => 1) {
  const slept: number[] = [];
  const clock: Clock = {
    now: () => 0,
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      slept.push(ms);
    },
  };
  let calls = 0;
  const failing =
    (error: Error, times = Infinity) =>
    async () => {
      calls += 1;
      if (calls <= times) throw error;
      return calls;
    };
  return { retrier: createRetrier({ clock, random }), slept, failing, calls: () => calls };
}

const unavailable = new ImgkitError('UNAVAILABLE', 'try later');

describe('the retrier', () => {
  it('repeats a safe call with growing waits until it succeeds', async () => {
    const { retrier, slept, failing } = setUp();
    expect(await retrier.run(failing(unavailable, 3), { safe: true })).toBe(4);
    expect(slept).toEqual([500, 1000, 2000]);
  });

  it('gives up with the last error', async () => {
    const { retrier, failing, calls } = setUp();
    const policy = { maxAttempts: 3 };
    await expect(retrier.run(failing(unavailable), { safe: true, policy })).rejects.toBe(
      unavailable,
    );
    expect(calls()).toBe(3);
  });

  it('makes a call that is not safe once', async () => {
    const { retrier, failing, calls } = setUp();
    await expect(retrier.run(failing(unavailable), { safe: false })).rejects.toBe(unavailable);
    expect(calls()).toBe(1);
  });

  const codes = Object.keys(errorCodes).filter((code): code is ErrorCode => code in errorCodes);
  it.each(codes)('repeats %s only if it may pass', async (code) => {
    const { retrier, failing, calls } = setUp();
    const error = new ImgkitError(code, 'no');
    await expect(retrier.run(failing(error), { safe: true })).rejects.toBe(error);
    const passes = ['RATE_LIMITED', 'UNAVAILABLE', 'TIMEOUT'].includes(code);
    expect(calls()).toBe(passes ? 5 : 1);
  });

  it("doesn't repeat what is no ImgkitError", async () => {
    const { retrier, failing, calls } = setUp();
    const error = new TypeError('a mistake');
    await expect(retrier.run(failing(error), { safe: true })).rejects.toBe(error);
    expect(calls()).toBe(1);
  });

  it('never waits shorter than the cloud asks for', async () => {
    const { retrier, slept, failing } = setUp(() => 0);
    const error = new ImgkitError('RATE_LIMITED', 'slower', { retryAfterMs: 70_000 });
    await retrier.run(failing(error, 1), { safe: true });
    expect(slept).toEqual([70_000]);
  });

  it('stops when told to, before a call and while waiting', async () => {
    const { retrier, failing, calls } = setUp();
    await expect(
      retrier.run(failing(unavailable), { safe: true, signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(calls()).toBe(0);
    const controller = new AbortController();
    const call = async () => {
      controller.abort();
      throw unavailable;
    };
    await expect(
      retrier.run(call, { safe: true, signal: controller.signal }),
    ).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
