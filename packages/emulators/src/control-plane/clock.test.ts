import { describe, expect, it } from 'vitest';

import { createVirtualClock, realClock } from './clock.ts';

describe('a virtual clock', () => {
  it('starts where it is told', () => {
    expect(createVirtualClock('2026-11-21T00:00:00Z').now()).toBe(Date.UTC(2026, 10, 21));
    expect(createVirtualClock(5).now()).toBe(5);
  });

  it('lets happen what is due, in its order, at its time', async () => {
    const clock = createVirtualClock(0);
    const happened: string[] = [];
    const note = (name: string) => () => void happened.push(`${name} at ${clock.now()}`);
    clock.after(20, note('late'));
    clock.after(10, note('first'));
    clock.after(10, note('second'));
    const cancel = clock.after(10, note('never'));
    clock.after(31, note('not yet'));
    cancel();
    await clock.advance(30);
    expect(happened).toEqual(['first at 10', 'second at 10', 'late at 20']);
    expect(clock.now()).toBe(30);
    await clock.advance(1);
    expect(happened.at(-1)).toBe('not yet at 31');
  });

  it('waits for what happens, and lets what comes of it happen too', async () => {
    const clock = createVirtualClock(0);
    const happened: number[] = [];
    clock.after(10, async () => {
      await new Promise((resolve) => setImmediate(resolve));
      clock.after(10, () => void happened.push(clock.now()));
    });
    await clock.advance(20);
    expect(happened).toEqual([20]);
  });
});

describe('the real clock', () => {
  it('calls back, unless that was taken back', async () => {
    const happened: string[] = [];
    realClock.after(1, () => void happened.push('taken back'))();
    await new Promise<void>((resolve) => {
      realClock.after(2, () => {
        happened.push('later');
        resolve();
      });
      // The clock's own timers keep no process alive.
      const keep = setTimeout(() => resolve(), 10_000);
      realClock.after(5, () => clearTimeout(keep));
    });
    expect(happened).toEqual(['later']);
    const before = Date.now();
    expect(realClock.now()).toBeGreaterThanOrEqual(before);
  });
});
