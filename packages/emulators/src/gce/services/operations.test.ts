import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { rest, type Rest } from '../../../test/rest.ts';
import { createVirtualClock, type VirtualClock } from '../../control-plane/clock.ts';
import { textOf } from '../../control-plane/json.ts';
import { startGceEmulator, type GceEmulator } from '../../gce-emulator.ts';

const project = 'imgkit-test';

let clock: VirtualClock;
let emulator: GceEmulator;
let api: Rest;

beforeEach(async () => {
  clock = createVirtualClock('2026-11-21T12:00:00Z');
  emulator = await startGceEmulator({
    clock,
    operationMs: ({ rpc, targetLink }) =>
      rpc === 'Images.Insert' && targetLink.endsWith('/images/long') ? 300_000 : 10_000,
  });
  emulator.project(project).addImage({ name: 'base' });
  api = rest(emulator, project);
});
afterEach(() => emulator.close());

async function insert(name: string): Promise<string> {
  const body = { name, sourceImage: 'global/images/base' };
  const { body: operation } = await api.send('POST', '/global/images', body);
  return `/global/operations/${textOf(operation, 'name')}`;
}

describe('an operation', () => {
  it('runs by the clock', async () => {
    const path = await insert('a');
    expect((await api.send('GET', path)).body).toMatchObject({
      status: 'RUNNING',
      insertTime: '2026-11-21T04:00:00.000-08:00',
    });
    await clock.advance(10_000);
    const { body } = await api.send('GET', path);
    expect(body).toMatchObject({
      status: 'DONE',
      progress: 100,
      endTime: '2026-11-21T04:00:10.000-08:00',
      targetId: expect.stringMatching(/^\d+$/),
    });
    expect(body).not.toHaveProperty('zone');
  });

  it('is waited for until it is done, or for two minutes', async () => {
    const short = api.send('POST', `${await insert('short')}/wait`);
    const long = api.send('POST', `${await insert('long')}/wait`);
    await expect.poll(() => waiting()).toBe(2);
    await clock.advance(10_000);
    expect((await short).body).toMatchObject({ status: 'DONE' });
    expect(waiting()).toBe(1);
    await clock.advance(110_000);
    expect((await long).body).toMatchObject({ status: 'RUNNING' });
  });

  it('goes on when the one who waits for it goes', async () => {
    const path = await insert('long');
    const url = `${emulator.endpoint}/compute/v1/projects/${project}${path}/wait`;
    const stop = new AbortController();
    const waited = fetch(url, { method: 'POST', signal: stop.signal });
    await expect.poll(() => waiting()).toBe(1);
    stop.abort();
    await expect(waited).rejects.toThrow('aborted');
    await clock.advance(300_000);
    expect((await api.send('GET', path)).body).toMatchObject({ status: 'DONE' });
  });

  it('is listed where it is, and deleted when it is done', async () => {
    const path = await insert('a');
    const { body: list } = await api.send('GET', '/global/operations?filter=status%3DRUNNING');
    expect(list['items']).toHaveLength(1);
    const zone = await api.send('GET', '/zones/us-central1-a/operations');
    expect(zone.body).not.toHaveProperty('items');
    expect(await api.send('DELETE', path)).toMatchObject({ status: 400 });
    await clock.advance(10_000);
    expect(await api.send('DELETE', path)).toMatchObject({ status: 200, body: {} });
    expect(await api.send('GET', path)).toMatchObject({ status: 404 });
    expect(await api.send('POST', `${path}/wait`)).toMatchObject({ status: 404 });
  });

  it('is one of as many as may run at once', async () => {
    emulator.project(project).setMaxOperations(1);
    await insert('a');
    const body = { name: 'b', sourceImage: 'global/images/base' };
    const refused = await api.send('POST', '/global/images', body);
    expect(refused).toMatchObject({ status: 403, reason: 'rateLimitExceeded' });
    expect(refused.body).toMatchObject({
      error: {
        errors: [{ domain: 'usageLimits' }],
        details: [{ reason: 'CONCURRENT_OPERATIONS_QUOTA_EXCEEDED' }],
      },
    });
    // What was refused has left nothing behind.
    await clock.advance(10_000);
    expect(await api.send('POST', '/global/images', body)).toMatchObject({ status: 200 });
  });
});

function waiting(): number {
  const open = emulator.requests.filter(({ status, rpc }) => !status && rpc?.endsWith('.Wait'));
  return open.length;
}
