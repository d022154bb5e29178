import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { createImgkit } from '@imgkit/core';
import { FakeClock } from '@imgkit/core/testing';
import { startGceEmulator, type EmulatorClock, type LoggedRequest } from '@imgkit/emulators';
import { expect, it, onTestFinished } from 'vitest';

import { gce } from '../src/plugin.ts';
import { documentedRates, rateGroupOf } from '../src/throttle/rate-groups.ts';

const project = 'acme-images';
const count = 5000;
const stepMs = 2000;

/** The emulator's side of the kit's clock. */
function sharedWith(clock: FakeClock): EmulatorClock {
  return {
    now: () => clock.now(),
    after(ms, callback) {
      const stop = new AbortController();
      void (async () => {
        await clock.sleep(ms, stop.signal);
        await callback();
      })().catch(() => undefined);
      return () => stop.abort();
    },
  };
}

function isWait({ rpc }: LoggedRequest): boolean {
  return rpc === 'GlobalOperations.Wait';
}

/** Lets time pass whenever nobody is at work, until `until` is over. */
async function passTime<T>(
  clock: FakeClock,
  requests: readonly LoggedRequest[],
  until: Promise<T>,
): Promise<T> {
  const state = { over: false };
  const end = (): void => void (state.over = true);
  until.then(end, end);
  while (!state.over) {
    const before = requests.length;
    await delay(5);
    // Waits for operations stay open until time passes.
    const open = requests.slice(-64).some((one) => one.status === undefined && !isWait(one));
    const busy = open || requests.length > before;
    if (!busy) await clock.advance(stepMs);
  }
  return until;
}

/** How many of the times lie in the fullest 60 seconds. */
function busiestMinute(times: readonly number[]): number {
  let [first, most] = [0, 0];
  for (const [last, time] of times.entries()) {
    while (time - (times[first] ?? 0) >= 60_000) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

/** The busiest minute of each group that Google counts in. */
function busiestMinutes(requests: readonly LoggedRequest[]): ReadonlyMap<string, number> {
  const times = new Map<string, number[]>();
  for (const { rpc = '', at } of requests) {
    const [service = '', method = ''] = rpc
      .split('.')
      .map((word) => `${word.charAt(0).toLowerCase()}${word.slice(1)}`);
    const group = rateGroupOf(service, method);
    const known = times.get(group);
    if (known === undefined) times.set(group, [at]);
    else known.push(at);
  }
  return new Map([...times].map(([group, all]) => [group, busiestMinute(all)]));
}

it(
  'a plan of many deprecations stays below Google’s rates, tells its progress, and resumes',
  async () => {
    const clock = new FakeClock();
    const home = await mkdtemp(join(tmpdir(), 'imgkit-gce-'));
    const emulator = await startGceEmulator({
      clock: sharedWith(clock),
      projects: [{ id: project }],
    });
    onTestFinished(async () => {
      await emulator.close();
      await rm(home, { recursive: true, force: true });
    });
    const images = emulator.project(project);
    images.setRates({ reads: 1500, lists: 1500, operationReads: 1500, mutations: 1500 });
    for (let n = 0; n < count; n += 1) images.addImage({ name: `web-${n}`, family: 'web' });
    const options = { endpoint: emulator.endpoint, project };
    const open = () => createImgkit({ clock, stateDirectory: home, providers: [gce(options)] });
    const changes = () => emulator.requests.filter(({ rpc }) => rpc === 'Images.Deprecate');

    const first = await open();
    const plan = await first.deprecation.plan({ provider: 'gce' }, { state: 'OBSOLETE' });
    expect(plan.items).toHaveLength(count);
    const start = clock.now();
    const cut = first.deprecation.execute(plan);
    const outcome = cut.then(
      () => 'done',
      () => 'cut off',
    );
    const reached = (async () => {
      for await (const { fraction = 0 } of cut) if (fraction >= 0.4) return;
    })();
    await passTime(clock, emulator.requests, reached);
    await first[Symbol.asyncDispose]();
    expect(await outcome).toBe('cut off');
    const done = changes().length;
    expect(done).toBeGreaterThanOrEqual(0.4 * count);
    expect(done).toBeLessThan(0.7 * count);

    const second = await open();
    const fractions: number[] = [];
    const operation = second.deprecation.execute(plan);
    const shown = (async () => {
      for await (const { fraction = 0 } of operation) fractions.push(fraction);
    })();
    expect(await passTime(clock, emulator.requests, Promise.resolve(operation))).toEqual({
      changed: count,
      left: [],
    });
    await shown;
    await second[Symbol.asyncDispose]();

    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
    expect(fractions.at(-1)).toBe(1);
    const changed = changes().map(({ path }) => path);
    expect(new Set(changed).size).toBe(count);
    expect(changed).toHaveLength(count); // each once
    for (const [group, most] of busiestMinutes(emulator.requests)) {
      expect(most, group).toBeLessThanOrEqual(Reflect.get(documentedRates, group));
    }
    expect(emulator.requests.filter(({ status }) => status !== 200)).toEqual([]);
    expect(emulator.violations).toEqual([]);
    // It isn't the machine that is slow: the throttle is what it waits for.
    expect(Math.max(...busiestMinutes(emulator.requests).values())).toBeGreaterThan(1000);
    const minutes = (clock.now() - start) / 60_000;
    expect(minutes).toBeGreaterThan((3 * count) / 1500);
  },
  120_000 + 200 * count,
);
