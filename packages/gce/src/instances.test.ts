import { ImgkitError, silentLogger, type Clock } from '@imgkit/core';
import { describe, expect, it } from 'vitest';

import type { WireObject } from './api/wire.ts';
import type { CloudOperation, GceClient, MutationCall } from './client.ts';
import { GceContext } from './context.ts';
import { GceInstances } from './instances.ts';

const id = 'projects/acme/zones/us-central1-a/instances/web';
const selfLink = `https://www.googleapis.com/compute/v1/${id}`;
const clock: Clock = { now: () => 0, sleep: () => Promise.resolve() };

/** Instances over a cloud that says of its one machine what it is told to, the last word again and again. */
function instances(words: readonly WireObject[], answer?: (method: string) => WireObject) {
  const left = [...words];
  const changes: MutationCall[] = [];
  const done: CloudOperation = {
    project: 'acme',
    scope: 'zones/us-central1-a',
    name: 'operation-1',
    done: true,
    progress: 100,
    target: id,
    warnings: [],
    native: {},
  };
  const client: GceClient = {
    read: ({ method }) => {
      if (method !== 'get') return Promise.resolve().then(() => answer?.(method) ?? {});
      const word = left.length > 1 ? left.shift() : left[0];
      return Promise.resolve({ selfLink, name: 'web', ...word });
    },
    start(call) {
      changes.push(call);
      return Promise.resolve(done);
    },
    wait: () => Promise.resolve(done),
    write: () => Promise.reject(new Error('nothing is written')),
    async *pages() {
      yield await Promise.resolve({ items: [], warnings: [] });
    },
    close: () => Promise.resolve(),
  };
  const context = new GceContext({
    provider: 'gce',
    project: 'acme',
    client,
    logger: silentLogger,
    clock,
    zone: () => Promise.resolve('us-central1-a'),
    region: () => Promise.resolve('us-central1'),
  });
  const control = new GceInstances(context, { address: 'external' });
  const asked = () => changes.map(({ method, request }) => [method, request]);
  return { control, asked };
}

const place = { project: 'acme', zone: 'us-central1-a', instance: 'web' };

describe('a machine', () => {
  it('that is suspended counts as stopped; it is resumed, and stopped for good', async () => {
    const woken = instances([{ status: 'SUSPENDED' }, { status: 'RUNNING' }]);
    expect((await woken.control.start(id)).status).toBe('RUNNING');
    expect(woken.asked()).toEqual([['resume', place]]);
    const stopped = instances([{ status: 'SUSPENDED' }, { status: 'TERMINATED' }]);
    await stopped.control.stop(id);
    expect(stopped.asked()).toEqual([['stop', place]]);
  });

  it('that is still stopping is started when it has stopped', async () => {
    const states = ['STOPPING', 'STOPPING', 'TERMINATED', 'STAGING', 'RUNNING'];
    const { control, asked } = instances(states.map((status) => ({ status })));
    expect((await control.start(id)).status).toBe('RUNNING');
    expect(asked()).toEqual([['start', place]]);
  });

  it('is stopped when it says so, not when the operation does', async () => {
    const states = ['RUNNING', 'STOPPING', 'STOPPING', 'TERMINATED'];
    const { control } = instances(states.map((status) => ({ status })));
    expect((await control.stop(id)).status).toBe('STOPPED');
  });

  it('loses the data of its local disks only when the plug is pulled', async () => {
    const disks = [{ type: 'PERSISTENT' }, { type: 'SCRATCH' }];
    const machine = [{ status: 'RUNNING', disks }, { status: 'TERMINATED' }];
    for (const [graceMs, wishes] of [
      [undefined, { discardLocalSsd: false }],
      [0, { discardLocalSsd: true, noGracefulShutdown: true }],
    ] as const) {
      const { control, asked } = instances(machine);
      await control.stop(id, { graceMs });
      expect(asked()).toEqual([['stop', { ...place, ...wishes }]]);
    }
  });
});

describe('the endpoint of a machine', () => {
  const running = {
    status: 'RUNNING',
    networkInterfaces: [{ networkIP: '10.0.0.2', accessConfigs: [{ natIP: '203.0.113.7' }] }],
  };
  const published = {
    queryValue: { items: [{ namespace: 'hostkeys', key: 'ssh-ed25519', value: 'AAAA' }] },
  };

  it('has the host keys that the guest has published, at its SSH port', async () => {
    const { control } = instances([running], () => published);
    const host = '203.0.113.7';
    const hostKeys = ['ssh-ed25519 AAAA'];
    expect(await control.endpoint(id)).toEqual({ host, port: 22, hostKeys });
    expect(await control.endpoint(id, 80), 'any port of a machine that isn’t ours').toEqual({
      host,
      port: 80,
      hostKeys: [],
    });
  });

  it('has none where Google has none, or doesn’t tell', async () => {
    for (const code of ['NOT_FOUND', 'PERMISSION_DENIED'] as const) {
      const { control } = instances([running], () => {
        throw new ImgkitError(code, 'no guest attributes');
      });
      expect((await control.endpoint(id)).hostKeys).toEqual([]);
    }
  });

  it('isn’t there without an address', async () => {
    const { control } = instances([{ status: 'RUNNING' }]);
    await expect(control.endpoint(id)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });
});

describe('the console', () => {
  it('is cut between characters, whatever the server gives', async () => {
    const { control } = instances([{}], () => ({ contents: 'boot äöü' }));
    expect(await control.console(id, { maxBytes: 5 })).toBe('öü');
    expect(await control.console(id, { maxBytes: 4 })).toBe('öü');
    expect(await control.console(id, { maxBytes: 0 })).toBe('');
    expect(await control.console(id)).toBe('boot äöü');
  });
});
