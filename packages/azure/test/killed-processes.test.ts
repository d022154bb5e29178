import type { Fleets, Image, Provider } from '@imgkit/core';
import { createVirtualClock } from '@imgkit/emulators';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { scratch } from '../../core/test/scratch.ts';
import { isAzureImages } from '../src/index.ts';
import { source, startAzure, type EmulatedAzure } from './emulated-azure.ts';
import { killAfter, killedCall } from './killed-call.ts';

// A request of a process has its effect, its answer gets lost, and the process is killed. The next one goes on.

/** Processes take their time to start on a busy machine. */
const timeout = 60_000;
let cloud: EmulatedAzure;
beforeEach(async () => {
  cloud = await startAzure();
});
afterEach(() => cloud[Symbol.asyncDispose]());

/** The ids of what stands of a collection. */
const standing = (collection: string): readonly string[] =>
  cloud.emulator
    .ids()
    .filter((id) => id.split('/').at(-2) === collection && !id.endsWith('/images/base'));

/** How often something was asked for since a request. */
const count = (rpc: string, start = 0): number =>
  cloud.emulator.requests.slice(start).filter((request) => request.rpc === rpc).length;

function fleetsOf({ fleets }: Provider): Fleets {
  if (fleets === undefined) throw new Error('no fleets');
  return fleets;
}

const versionOf = async (version: string): Promise<Image> => {
  const { images } = await cloud.provider();
  return images.create({ name: `web-${version}`, family: 'web', version, source });
};
const templateOf = ({ ref }: Image) => ({ boot: { kind: 'image', image: ref } }) as const;

describe('an image whose maker is killed', { timeout }, () => {
  const request = {
    name: 'web-1',
    family: 'web',
    version: '1',
    staged: true,
    source,
    idempotencyKey: 'the-key',
  };

  it.each(['GalleryImages.CreateOrUpdate', 'GalleryImageVersions.CreateOrUpdate'])(
    'after %s is gone on with by its key',
    async (rpc) => {
      await killAfter(cloud, rpc, { call: 'images.create', request });
      const image = await (await cloud.provider()).images.create(request);
      expect(image).toMatchObject({ status: 'READY', name: 'web-1' });
      expect(standing('versions')).toEqual([image.ref.id]);
      expect(standing('images')).toHaveLength(1);
    },
  );

  it.each(['Disks.CreateOrUpdate', 'GalleryImageVersions.CreateOrUpdate'])(
    'after %s, of one of the marketplace, is made by way of one disk, which goes',
    async (rpc) => {
      const { emulator } = cloud;
      emulator.addMarketplaceImage({ publisher: 'acme', offer: 'os', sku: '1', version: '1.0.0' });
      const image = { provider: 'azure', id: 'acme:os:1:latest' };
      const bought = { ...request, source: { kind: 'image', image } } as const;
      await killAfter(cloud, rpc, { call: 'images.create', request: bought });
      expect(standing('disks')).toHaveLength(1);
      const start = emulator.requests.length;
      const made = await (await cloud.provider()).images.create(bought);
      expect(made.status).toBe('READY');
      expect(standing('versions')).toEqual([made.ref.id]);
      expect(count('Disks.CreateOrUpdate', start)).toBe(0);
      expect([...standing('disks'), ...standing('snapshots')]).toEqual([]);
    },
  );
});

describe('a replication whose process is killed', { timeout }, () => {
  const change = { set: ['westus', { name: 'uksouth', replicaCount: 2 }] };

  it('goes on with its token, and is asked for once', async () => {
    const clock = createVirtualClock();
    const shared = { now: () => clock.now(), sleep: (ms: number) => clock.advance(ms) };
    await using slow = await startAzure({ clock });
    const first = await slow.provider({ clock: shared });
    const { ref } = await first.images.create({ name: 'web-1', family: 'web', source });
    const { token = '' } = await killedCall(
      {
        call: 'images.replicate',
        id: ref.id,
        change,
        stateDirectory: await scratch(),
        options: slow.options,
      },
      (said) => said.token !== undefined,
    );
    const next = await slow.provider({ clock: shared });
    expect(await next.resume(token)).toMatchObject({ ref, status: 'READY' });
    const writes = slow.emulator.requests.filter(({ method }) => method === 'PATCH');
    expect(writes).toHaveLength(1);
    if (!isAzureImages(next.images)) throw new Error('they are Azure’s');
    expect((await next.images.replication.status(ref.id)).regions).toMatchObject([
      { name: 'eastus', state: 'Completed' },
      { name: 'westus', state: 'Completed' },
      { name: 'uksouth', state: 'Completed', replicaCount: 2 },
    ]);
  });

  it('before it had one is asked for again, and nothing is there twice', async () => {
    const { ref } = await versionOf('1');
    await killAfter(cloud, 'GalleryImageVersions.Update', {
      call: 'images.replicate',
      id: ref.id,
      change,
    });
    const { images } = await cloud.provider();
    if (!isAzureImages(images)) throw new Error('they are Azure’s');
    await images.replication.change(ref.id, change);
    const { regions } = await images.replication.status(ref.id);
    expect(regions.map(({ name }) => name)).toEqual(['eastus', 'westus', 'uksouth']);
  });
});

describe('a fleet whose maker is killed', { timeout }, () => {
  it('is gone on with by its key', async () => {
    const template = templateOf(await versionOf('1.0.0'));
    const request = { name: 'web', size: 2, template, idempotencyKey: 'the-key' };
    await killAfter(cloud, 'VirtualMachineScaleSets.CreateOrUpdate', {
      call: 'fleets.create',
      request,
    });
    const start = cloud.emulator.requests.length;
    const made = await fleetsOf(await cloud.provider()).create(request);
    expect(made).toMatchObject({ size: 2, status: 'STABLE' });
    expect(standing('virtualMachineScaleSets')).toEqual([made.id]);
    expect(standing('virtualMachines')).toEqual(made.instances);
    expect([...standing('disks'), ...standing('virtualNetworks')]).toHaveLength(3);
    expect(count('VirtualMachineScaleSets.CreateOrUpdate', start)).toBe(0);
  });
});

/** A fleet of three machines, what is rolled out to it, and whether it has come to each of them once. */
async function beginRollout(options: object = {}) {
  const [old, next] = [await versionOf('1.0.0'), await versionOf('2.0.0')];
  const template = templateOf(old);
  const fleets = fleetsOf(await cloud.provider());
  const request = { name: 'web', size: 3, template, providerOptions: { ...options } };
  const { id } = await fleets.create(request);
  const rollout = { fleet: id, template: templateOf(next) };
  const expectDone = async () => {
    const after = await fleetsOf(await cloud.provider()).get(id);
    expect(after).toMatchObject({ status: 'STABLE', size: 3 });
    expect(after.versions).toEqual([{ image: next.ref, instances: 3, target: true }]);
    return after.instances.map((one) => one.split('/').at(-1));
  };
  return { rollout, expectDone };
}

describe('a rollout whose process is killed', { timeout }, () => {
  it('in the middle goes on with its token, and each machine is replaced once', async () => {
    const { rollout, expectDone } = await beginRollout();
    const { token = '' } = await killAfter(cloud, 'VirtualMachineScaleSets.DeleteInstances', {
      call: 'fleets.rollOut',
      request: rollout,
    });
    expect(standing('virtualMachines')).toHaveLength(3);
    await (await cloud.provider()).resume(token);
    expect(await expectDone()).toEqual(['3', '4', '5']);
  });

  it('before it had a token goes on with the same call, and with no other', async () => {
    const { rollout, expectDone } = await beginRollout();
    await killAfter(cloud, 'VirtualMachineScaleSets.Update', {
      call: 'fleets.rollOut',
      request: rollout,
    });
    const fleets = fleetsOf(await cloud.provider());
    await expect(fleets.rollOut({ ...rollout, maxSurge: 2 })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('token'),
    });
    await fleets.rollOut(rollout);
    expect(await expectDone()).toEqual(['3', '4', '5']);
  });

  it.each(['rolling', 'automatic'] as const)(
    'goes on with the same call where Azure carries it out: %s',
    async (mode) => {
      const health = { protocol: 'http', port: 80, path: '/healthz' } as const;
      const { rollout, expectDone } = await beginRollout({
        mode,
        health,
        ...(mode === 'rolling' ? { rolling: { maxBatchPercent: 50 } } : {}),
      });
      await killAfter(cloud, 'VirtualMachineScaleSets.Update', {
        call: 'fleets.rollOut',
        request: rollout,
      });
      const fleets = fleetsOf(await cloud.provider());
      await expect.poll(async () => (await fleets.get(rollout.fleet)).status).toBe('STABLE');
      const before = standing('disks');
      await fleets.rollOut(rollout);
      await expectDone();
      expect(standing('disks'), 'no machine has got a second disk').toEqual(before);
    },
  );
});
