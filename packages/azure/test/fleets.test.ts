import { setTimeout as delay } from 'node:timers/promises';

import type { Fleet, Image, Provider } from '@imgkit/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { isAzureFleets } from '../src/index.ts';
import { source, startAzure, type EmulatedAzure } from './emulated-azure.ts';

let cloud: EmulatedAzure;
let provider: Provider;
const health = { protocol: 'http', port: 80, path: '/healthz' } as const;
const rolling = {
  mode: 'rolling',
  health,
  rolling: { maxBatchPercent: 50, maxUnhealthyPercent: 50 },
} as const;

beforeEach(async () => {
  cloud = await startAzure();
  provider = await cloud.provider();
});
afterEach(() => cloud[Symbol.asyncDispose]());

function fleetsOf({ fleets }: Provider) {
  if (!isAzureFleets(fleets)) throw new Error('these are not Azure’s');
  return fleets;
}

function make(version: string): PromiseLike<Image> {
  return provider.images.create({ name: `web-${version}`, family: 'web', version, source });
}

const templateOf = ({ ref }: Image) => ({
  boot: { kind: 'image', image: ref } as const,
});

function create(image: Image, size: number, options: object = {}): PromiseLike<Fleet> {
  const template = templateOf(image);
  return fleetsOf(provider).create({
    name: 'web',
    size,
    template,
    labels: { team: 'web' },
    idempotencyKey: 'web',
    providerOptions: { ...options },
  });
}

/** How many machines there are of which version. */
const counts = ({ versions }: Fleet) =>
  Object.fromEntries(
    versions.map(({ image, instances }) => [image.id.split('/').at(-1), instances]),
  );

const requests = (rpc: string) => cloud.emulator.requests.filter((one) => one.rpc === rpc);
const modelOf = (id: string): any => cloud.emulator.resource(id)?.['properties'];

describe('a fleet', () => {
  it('is a scale set: it is made, resized, rolled out machine by machine, rolled back, and goes', async () => {
    const fleets = fleetsOf(provider);
    const [one, two] = [await make('1.0.0'), await make('2.0.0')];
    const made = await create(one, 2);
    expect(made).toMatchObject({ name: 'web', size: 2, status: 'STABLE', labels: { team: 'web' } });
    expect(made.versions).toEqual([{ image: one.ref, instances: 2, target: true }]);
    expect((await fleets.resize(made.id, 3)).instances).toEqual(
      expect.arrayContaining([...made.instances]),
    );

    const seen: number[] = [];
    const rollout = fleets.rollOut({ fleet: made.id, template: templateOf(two) });
    for await (const _ of rollout) seen.push((await fleets.get(made.id)).instances.length);
    const rolled = await rollout;
    expect(counts(rolled)).toEqual({ '2.0.0': 3 });
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(3);
    expect(Math.max(...seen)).toBeLessThanOrEqual(4);
    expect(rolled.instances.some((id) => made.instances.includes(id))).toBe(false);

    const canary = await fleets.rollOut({ fleet: made.id, template: templateOf(one), canary: 1 });
    expect(counts(canary)).toEqual({ '1.0.0': 1, '2.0.0': 2 });
    expect(canary.status).toBe('STABLE');
    expect(counts(await fleets.rollBack(made.id))).toEqual({ '2.0.0': 3 });
    await fleets.delete(made.id);
    await expect(fleets.get(made.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(cloud.emulator.ids().filter((id) => /disks|ScaleSets/.test(id))).toEqual([]);
  });

  it('keeps within maxUnavailable when none may be above its size', async () => {
    const fleets = fleetsOf(provider);
    const [one, two] = [await make('1.0.0'), await make('2.0.0')];
    const { id } = await create(one, 3);
    const seen: number[] = [];
    const bounds = { maxSurge: 0, maxUnavailable: 2 };
    const rollout = fleets.rollOut({ fleet: id, template: templateOf(two), ...bounds });
    for await (const _ of rollout) seen.push((await fleets.get(id)).instances.length);
    expect(counts(await rollout)).toEqual({ '2.0.0': 3 });
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...seen)).toBe(3);
  });

  it('is changed by PATCHes that name the image alone, and keeps what no client knows', async () => {
    const fleets = fleetsOf(provider);
    const [one, two] = [await make('1.0.0'), await make('2.0.0')];
    const { id } = await create(one, 1);
    const future = {
      guardian: 'ops',
      virtualMachineProfile: { escrow: { days: 7 }, storageProfile: { lineage: 'x' } },
    };
    cloud.emulator.seed(id, { properties: future });
    const start = cloud.emulator.requests.length;
    await fleets.rollOut({ fleet: id, template: templateOf(two) });
    await fleets.resize(id, 2);
    await fleets.rollBack(id);
    const writes = cloud.emulator.requests.slice(start).filter(({ method }) => method !== 'GET');
    expect(new Set(writes.map(({ method }) => method))).toEqual(new Set(['PATCH', 'POST']));
    const profiles = writes.flatMap(
      ({ body }: any) => body?.properties?.virtualMachineProfile ?? [],
    );
    expect(profiles).toEqual([
      { storageProfile: { imageReference: { id: two.ref.id } } },
      { storageProfile: { imageReference: { id: one.ref.id } } },
    ]);
    expect(modelOf(id)).toMatchObject(future);
  });

  it('is made once for its key, also when the answer gets lost', async () => {
    const one = await make('1.0.0');
    const fault = cloud.emulator.faults.add({
      rpc: 'VirtualMachineScaleSets.CreateOrUpdate',
      kind: 'drop',
      when: 'after',
    });
    const [a, b] = await Promise.all([create(one, 2), create(one, 2)]);
    expect(fault.struck).toBe(1);
    expect(a.id).toBe(b.id);
    expect((await fleetsOf(provider).get(a.id)).instances).toHaveLength(2);
    const other = fleetsOf(provider).create({ name: 'web', size: 0, template: templateOf(one) });
    await expect(other).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  });

  it('that can’t be made leaves nothing, and says which machines it is about', async () => {
    const one = await make('1.0.0');
    cloud.emulator.faults.add({
      rpc: 'VirtualMachineScaleSets.CreateOrUpdate',
      kind: 'operation-error',
      code: 'AllocationFailed',
      message: 'Allocation failed.',
    });
    await expect(create(one, 1)).rejects.toMatchObject({
      code: 'QUOTA_EXCEEDED',
      providerCode: 'AllocationFailed',
      data: { machines: [{ instance: expect.stringContaining('/virtualMachines/0') }] },
    });
    expect(cloud.emulator.ids().filter((id) => /disks|ScaleSets/.test(id))).toEqual([]);
  });

  it('tells its machines who may log in, and never gives it away', async () => {
    const one = await make('1.0.0');
    const authorizedKeys = [{ user: 'ann', publicKey: 'ssh-ed25519 AAAA ann@here' }];
    const template = { ...templateOf(one), authorizedKeys, startupScript: '#!/bin/sh\necho hush' };
    const request = { name: 'keys', size: 0, template };
    const { id } = await fleetsOf(provider).create(request);
    const body: any = requests('VirtualMachineScaleSets.CreateOrUpdate').at(-1)?.body;
    expect(body.properties.virtualMachineProfile.osProfile).toMatchObject({
      adminUsername: 'ann',
      computerNamePrefix: 'keys',
      linuxConfiguration: { ssh: { publicKeys: [{ keyData: 'ssh-ed25519 AAAA ann@here' }] } },
    });
    expect(JSON.stringify(await fleetsOf(provider).get(id))).not.toContain('hush');
    const changed = { ...template, startupScript: '#!/bin/sh\necho other' };
    await fleetsOf(provider).rollOut({ fleet: id, template: changed });
    const patch: any = requests('VirtualMachineScaleSets.Update')[0]?.body;
    expect(patch.properties.virtualMachineProfile.osProfile.customData).toBeTypeOf('string');
    await expect(fleetsOf(provider).rollBack(id)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('told'),
    });
  });

  it('refuses what it can’t be made of, before anything is made', async () => {
    const one = await make('1.0.0');
    const fleets = fleetsOf(provider);
    const request = { name: 'web', size: 1, template: templateOf(one) };
    const start = cloud.emulator.requests.length;
    for (const [wishes, code] of [
      [{ size: -1 }, 'INVALID_ARGUMENT'],
      [{ name: '-' }, 'INVALID_ARGUMENT'],
      [{ template: { ...templateOf(one), providerOptions: { pet: 1 } } }, 'INVALID_ARGUMENT'],
      [{ template: { boot: { kind: 'disk', disk: 'x' } } }, 'UNSUPPORTED'],
      [{ template: { ...templateOf(one), disks: [{ disk: 'x' }] } }, 'INVALID_ARGUMENT'],
      [{ providerOptions: { mode: 'rolling' } }, 'INVALID_ARGUMENT'],
      [{ providerOptions: { automaticUpgrades: true } }, 'INVALID_ARGUMENT'],
    ] as const) {
      const refused: any = { ...request, ...wishes };
      await expect(fleets.create(refused), JSON.stringify(wishes)).rejects.toMatchObject({ code });
    }
    await provider.deprecation?.set(one.ref.id, { state: 'OBSOLETE' });
    await expect(fleets.create(request)).rejects.toMatchObject({ code: 'IMAGE_OBSOLETE' });
    expect(cloud.emulator.requests.slice(start).some(({ method }) => method === 'PUT')).toBe(false);
  });
});

describe('a rollout of imgkit’s', () => {
  it('is paused and goes on, in whatever process', async () => {
    const fleets = fleetsOf(provider);
    const [one, two] = [await make('1.0.0'), await make('2.0.0')];
    const { id } = await create(one, 3);
    const rollout = fleets.rollOut({ fleet: id, template: templateOf(two) });
    await rollout.token();
    const paused = await fleets.pause?.(id);
    expect(paused).toMatchObject({ status: 'PAUSED', size: 3 });
    const again = fleets.rollOut({ fleet: id, template: templateOf(two) });
    await expect(again).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    const other = fleetsOf(await cloud.provider());
    expect(await other.unpause?.(id)).toMatchObject({ status: 'STABLE' });
    expect(counts(await rollout)).toEqual({ '2.0.0': 3 });
  });

  it('goes on from its token in another process, and is done once', async () => {
    const [one, two] = [await make('1.0.0'), await make('2.0.0')];
    const { id } = await create(one, 4);
    const stop = new AbortController();
    const rollout = fleetsOf(provider).rollOut(
      { fleet: id, template: templateOf(two) },
      { signal: stop.signal },
    );
    for await (const { fraction = 0 } of rollout) if (fraction > 0) stop.abort();
    const failure: any = await Promise.resolve(rollout).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'PENDING' });
    expect((await fleetsOf(provider).get(id)).status).toBe('ROLLING');
    // Two processes take it over at once.
    const others = await Promise.all([cloud.provider(), cloud.provider()]);
    const ends = await Promise.all(others.map((other) => other.resume(failure.token)));
    const all = { instances: 4, target: true, image: two.ref };
    for (const end of ends) expect(end).toMatchObject({ versions: [all] });
    const after = await fleetsOf(provider).get(id);
    expect(after).toMatchObject({ status: 'STABLE', size: 4 });
    expect(after.instances).toHaveLength(4);
    const models = requests('VirtualMachineScaleSets.Update').filter(
      ({ body }: any) => body?.properties !== undefined,
    );
    expect(models).toHaveLength(1);
  });

  it('survives answers that get lost, conflicts, and being asked to wait', async () => {
    const [one, two] = [await make('1.0.0'), await make('2.0.0')];
    const { id } = await create(one, 2);
    const faults = [
      { rpc: 'VirtualMachineScaleSets.Update', kind: 'drop', when: 'after' } as const,
      { rpc: 'VirtualMachineScaleSets.DeleteInstances', kind: 'drop', when: 'after' } as const,
      {
        rpc: 'VirtualMachineScaleSets.DeleteInstances',
        after: 1,
        kind: 'status',
        status: 409,
        reason: 'Conflict',
      } as const,
      {
        rpc: 'VirtualMachineScaleSetVMs.List',
        kind: 'status',
        status: 429,
        retryAfterSeconds: 1,
      } as const,
    ].map((fault) => cloud.emulator.faults.add(fault));
    const rolled = await fleetsOf(provider).rollOut({ fleet: id, template: templateOf(two) });
    expect(counts(rolled)).toEqual({ '2.0.0': 2 });
    expect(faults.map(({ struck }) => struck)).toEqual([1, 1, 1, 1]);
  });

  it('ends when new machines stay unwell, names them, and leaves the old ones', async () => {
    let now = Date.now();
    const clock = { now: () => now, sleep: async (ms: number) => void (now += ms) };
    const quick = fleetsOf(await cloud.provider({ clock }));
    const [one, two] = [await make('1.0.0'), await make('2.0.0')];
    const { id } = await create(one, 2, { health });
    cloud.emulator.setHealth(two.ref.id, false);
    await expect(quick.rollOut({ fleet: id, template: templateOf(two) })).rejects.toMatchObject({
      code: 'OPERATION_FAILED',
      data: {
        machines: [{ instance: expect.stringMatching(/virtualMachines\/2$/), healthy: false }],
      },
    });
    expect(counts(await quick.get(id))).toEqual({ '1.0.0': 2, '2.0.0': 1 });
    expect(await quick.rollBack(id)).toMatchObject({ status: 'STABLE', size: 2 });
    expect(counts(await quick.get(id))).toEqual({ '1.0.0': 2 });
  });

  it('is cancelled where it is', async () => {
    const fleets = fleetsOf(provider);
    const [one, two] = [await make('1.0.0'), await make('2.0.0')];
    const { id } = await create(one, 2);
    await fleets.rollOut({ fleet: id, template: templateOf(two), canary: 1 });
    await expect(fleets.cancel(id)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    const rollout = fleets.rollOut({ fleet: id, template: templateOf(two) });
    await rollout.token();
    expect((await fleets.cancel(id)).status).toBe('STABLE');
    await rollout;
  });
});

describe('a rollout of Azure’s', () => {
  it('goes batch by batch, and is told of', async () => {
    await using slow = await startAzure({
      operationMs: ({ rpc }) => (rpc.endsWith('.Batch') ? 60 : 2),
    });
    provider = await slow.provider();
    const fleets = fleetsOf(provider);
    const [one, two] = [await make('1.0.0'), await make('2.0.0')];
    const made = await create(one, 4, rolling);
    const messages: string[] = [];
    const rollout = fleets.rollOut({ fleet: made.id, template: templateOf(two) });
    for await (const { message } of rollout) messages.push(message);
    const rolled = await rollout;
    expect(counts(rolled)).toEqual({ '2.0.0': 4 });
    expect(rolled.instances).toEqual(made.instances);
    expect(messages.join(' ')).toMatch(/of \d machines are upgraded/);
    await expect(fleets.pause?.(made.id)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    const canary = fleets.rollOut({ fleet: made.id, template: templateOf(one), canary: 1 });
    await expect(canary).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    expect(counts(await fleets.rollBack(made.id))).toEqual({ '1.0.0': 4 });
  });

  it('that Azure ends by its policy is an error with the machines, and can be rolled back', async () => {
    const fleets = fleetsOf(provider);
    const [one, two] = [await make('1.0.0'), await make('2.0.0')];
    const { id } = await create(one, 4, rolling);
    cloud.emulator.setHealth(two.ref.id, false);
    await expect(fleets.rollOut({ fleet: id, template: templateOf(two) })).rejects.toMatchObject({
      code: 'OPERATION_FAILED',
      providerCode: 'MaxUnhealthyUpgradedInstancePercentExceededInRollingUpgrade',
      data: {
        machines: [
          { instance: expect.stringMatching(/\/0$/), healthy: false },
          { instance: expect.stringMatching(/\/1$/), healthy: false },
        ],
      },
    });
    expect((await fleets.get(id)).status).toBe('FAILED');
    cloud.emulator.setHealth(two.ref.id, true);
    expect(counts(await fleets.rollBack(id))).toEqual({ '1.0.0': 4 });
    expect((await fleets.get(id)).status).toBe('STABLE');
  });

  it('is cancelled, and goes on no further', async () => {
    await using slow = await startAzure({
      operationMs: ({ rpc }) => (rpc.endsWith('.Batch') ? 200 : 2),
    });
    provider = await slow.provider();
    const fleets = fleetsOf(provider);
    const [one, two] = [await make('1.0.0'), await make('2.0.0')];
    const { id } = await create(one, 4, { ...rolling, rolling: { maxBatchPercent: 25 } });
    const rollout = Promise.allSettled([fleets.rollOut({ fleet: id, template: templateOf(two) })]);
    await expect.poll(async () => (await fleets.get(id)).status).toBe('ROLLING');
    await delay(50); // until the upgrade has begun, and is at a batch
    const other = fleets.rollOut({ fleet: id, template: templateOf(one) });
    await expect(other).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    const after = await fleets.cancel(id);
    expect(await rollout).toMatchObject([{ reason: { code: 'OPERATION_FAILED' } }]);
    expect(counts(after)['1.0.0']).toBeGreaterThanOrEqual(2);
    expect(counts(await fleets.rollBack(id))).toEqual({ '1.0.0': 4 });
  });

  it('to all machines at once needs no health', async () => {
    const [one, two] = [await make('1.0.0'), await make('2.0.0')];
    const { id } = await create(one, 2, { mode: 'automatic' });
    const rolled = await fleetsOf(provider).rollOut({ fleet: id, template: templateOf(two) });
    expect(counts(rolled)).toEqual({ '2.0.0': 2 });
  });

  it('follows the latest version by itself, and `published` is its brake', async () => {
    const fleets = fleetsOf(provider);
    const one = await make('1.0.0');
    const options = { boot: 'latest', automaticUpgrades: true, health };
    const { id, versions } = await create(one, 2, options);
    expect(versions).toEqual([{ image: one.ref, instances: 2, target: true }]);
    expect(modelOf(id).virtualMachineProfile.storageProfile.imageReference.id).toMatch(
      /images\/web$/,
    );
    const request = { name: 'web-2', family: 'web', version: '2.0.0', source, staged: true };
    const two = await provider.images.create(request);
    const early = fleets.rollOut({ fleet: id, template: templateOf(two) });
    await expect(early).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(counts(await fleets.get(id))).toEqual({ '1.0.0': 2 });
    await provider.publishing?.publish(two.ref.id, { family: 'web', version: '2.0.0' });
    await expect.poll(async () => counts(await fleets.get(id))).toEqual({ '2.0.0': 2 });
  });

  it('of the latest version is begun by hand where Azure doesn’t', async () => {
    const fleets = fleetsOf(provider);
    const one = await make('1.0.0');
    const { id } = await create(one, 2, { ...rolling, boot: 'latest' });
    const manual = await fleets.create({
      name: 'manual',
      size: 1,
      template: templateOf(one),
      providerOptions: { boot: 'latest' },
    });
    const two = await make('2.0.0');
    for (const fleet of [id, manual.id]) {
      const rolled = await fleets.rollOut({ fleet, template: templateOf(two) });
      expect(rolled.versions).toMatchObject([{ image: two.ref, target: true }]);
    }
    expect(counts(await fleets.rollBack(manual.id))).toEqual({ '1.0.0': 1 });
  });
});
