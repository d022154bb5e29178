import { describe, expect, it } from 'vitest';
import { FakeClock } from './fake-clock.ts';

describe('FakeClock', () => {
  it('wakes sleepers at their time and in their order', async () => {
    const clock = new FakeClock(0);
    const woken: [string, number][] = [];
    const sleep = async (name: string, ms: number) => {
      await clock.sleep(ms);
      woken.push([name, clock.now()]);
    };
    void sleep('late', 30);
    void sleep('early', 10);
    await clock.advance(29);
    expect(woken).toEqual([['early', 10]]);
    await clock.advance(1);
    expect(woken).toEqual([
      ['early', 10],
      ['late', 30],
    ]);
  });

  it('wakes one that goes to sleep again', async () => {
    const clock = new FakeClock(0);
    let ticks = 0;
    void (async () => {
      while (ticks < 100) {
        await clock.sleep(10);
        ticks += 1;
      }
    })();
    await clock.advance(55);
    expect(ticks).toBe(5);
    expect(clock.now()).toBe(55);
  });

  it('gives up a sleep whose signal is aborted', async () => {
    const clock = new FakeClock(0);
    const controller = new AbortController();
    const sleep = clock.sleep(10, controller.signal);
    controller.abort(new Error('enough'));
    await expect(sleep).rejects.toThrow('enough');
    expect(clock.sleeping).toBe(0);
    await expect(clock.sleep(10, controller.signal)).rejects.toThrow('enough');
  });
});
