import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { rest, type Rest } from '../../test/rest.ts';
import { createVirtualClock, type VirtualClock } from '../control-plane/clock.ts';
import { startGceEmulator, type GceEmulator } from '../gce-emulator.ts';

const project = 'imgkit-test';
const source = { sourceImage: 'global/images/base' };

let clock: VirtualClock;
let emulator: GceEmulator;
let api: Rest;

beforeEach(async () => {
  clock = createVirtualClock('2026-11-21T12:00:30Z');
  emulator = await startGceEmulator({ clock, operationMs: 0 });
  emulator.project(project).addImage({ name: 'base' });
  api = rest(emulator, project);
});
afterEach(() => emulator.close());

describe('a quota', () => {
  it('is shown with what is used, and refuses what exceeds it', async () => {
    emulator.project(project).setQuota('IMAGES', 2);
    const shown = () => api.send('GET', '');
    expect((await shown()).body['quotas']).toContainEqual({ metric: 'IMAGES', limit: 2, usage: 1 });
    const insert = (name: string) => api.send('POST', '/global/images', { name, ...source });
    expect(await insert('a')).toMatchObject({ status: 200 });
    expect(await insert('b')).toMatchObject({
      status: 403,
      reason: 'quotaExceeded',
      message: "Quota 'IMAGES' exceeded.  Limit: 2.0 globally.",
    });
    await clock.advance(1);
    await api.send('DELETE', '/global/images/a');
    await clock.advance(1);
    expect((await shown()).body['quotas']).toContainEqual({ metric: 'IMAGES', limit: 2, usage: 1 });
    expect(await insert('b')).toMatchObject({ status: 200 });
  });
});

const get = () => api.send('GET', '/global/images/base');

describe('a rate', () => {
  it('lets so many through in a minute of the clock', async () => {
    emulator.project(project).setRates({ reads: 2 });
    expect([await get(), await get()].map(({ status }) => status)).toEqual([200, 200]);
    const refused = await get();
    expect(refused).toMatchObject({ status: 403, reason: 'rateLimitExceeded' });
    expect(refused.body).toMatchObject({
      error: {
        errors: [{ domain: 'usageLimits' }],
        details: [{ reason: 'RATE_LIMIT_EXCEEDED', metadata: { quota_limit_value: '2' } }],
      },
    });
    await clock.advance(29_999);
    expect(await get()).toMatchObject({ status: 403 });
    await clock.advance(1);
    expect(await get()).toMatchObject({ status: 200 });
  });

  it('counts reads, lists, operations and changes apart', async () => {
    const none = { reads: 0, lists: 0, operationReads: 0, mutations: 0 };
    const calls = {
      reads: ['GET', '/global/images/base'],
      lists: ['GET', '/global/images'],
      operationReads: ['GET', '/global/operations'],
      mutations: ['POST', '/global/images'],
    } as const;
    for (const [group, [method, path]] of Object.entries(calls)) {
      emulator.project(project).setRates({ ...none, [group]: 1000 });
      const body = method === 'POST' ? { name: 'a', ...source } : undefined;
      expect(await api.send(method, path, body), group).toMatchObject({ status: 200 });
      emulator.project(project).setRates({ ...none, reads: 1000, lists: 1000, [group]: 0 });
      const again = method === 'POST' ? { name: 'b', ...source } : undefined;
      expect(await api.send(method, path, again), group).toMatchObject({ status: 403 });
    }
  });
});
