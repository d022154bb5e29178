import type { Provider } from '@imgkit/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { group, source, startAzure, type EmulatedAzure } from './emulated-azure.ts';
import { killAfter } from './killed-call.ts';

// A process that takes or restores a machine image is killed when a request has its effect, before its answer comes.
// The next one with its key ends with one of each, and nothing else is left.

const compute = `${group}/providers/Microsoft.Compute`;
const network = `${group}/providers/Microsoft.Network`;

/** Processes take their time to start on a busy machine. */
const timeout = 60_000;
let cloud: EmulatedAzure;
let provider: Provider;
let instance: string;
let before: readonly string[];

beforeEach(async () => {
  cloud = await startAzure();
  provider = await cloud.provider();
  const image = await provider.images.create({ name: 'web-1', source });
  const launched = await parts().instances.launch({
    name: 'web',
    boot: { kind: 'image', image: image.ref },
    disks: [{ sizeBytes: 2 ** 30 }],
  });
  instance = launched.id;
  before = cloud.emulator.ids();
});
afterEach(() => cloud[Symbol.asyncDispose]());

function parts({ machineImages, instances } = provider) {
  if (machineImages === undefined || instances === undefined) throw new Error('they are Azure’s');
  return { machineImages, instances };
}

/** What has been made since the machine stood, but for the disks inside of restore points. */
const made = (): readonly string[] =>
  cloud.emulator
    .ids()
    .filter((id) => !before.includes(id) && !id.includes('/diskRestorePoints/'))
    .toSorted();

const asVersion = { as: 'imageVersion', whenRunning: 'stop' } as const;

describe('a machine image whose maker is killed', { timeout }, () => {
  it.each([
    ['RestorePointCollections.CreateOrUpdate', {}],
    ['RestorePoints.Create', {}],
    ['GalleryImages.CreateOrUpdate', asVersion],
    ['GalleryImageVersions.CreateOrUpdate', asVersion],
  ])('after %s is made once by its key', async (rpc, providerOptions) => {
    const labels = { team: 'web' };
    const request = { name: 'backup', instance, labels, providerOptions, idempotencyKey: 'one' };
    await killAfter(cloud, rpc, { call: 'machineImages.create', request });
    const next = parts(await cloud.provider()).machineImages;
    const image = await next.create(request);
    expect(image).toMatchObject({ status: 'READY', instance, labels });
    expect(made()).toEqual([
      image.id.replace(/\/(?:restorePoints|versions)\/[^/]+$/, ''),
      image.id,
    ]);
    const points = cloud.emulator.ids().filter((id) => id.includes('/diskRestorePoints/'));
    expect(points).toHaveLength(rpc.startsWith('Restore') ? 2 : 0);
    await next.delete(image.id);
    expect(made()).toEqual([]);
  });
});

describe('a machine whose restorer is killed', { timeout }, () => {
  it.each([
    ['Disks.CreateOrUpdate', {}],
    ['VirtualMachines.CreateOrUpdate', {}],
    ['VirtualMachines.CreateOrUpdate', asVersion],
  ])('after %s, of %j, is restored once by its key', async (rpc, providerOptions) => {
    const { machineImages } = parts();
    const { id } = await machineImages.create({ name: 'backup', instance, providerOptions });
    before = cloud.emulator.ids();
    const request = { machineImage: id, name: 'again', idempotencyKey: 'two' };
    await killAfter(cloud, rpc, { call: 'machineImages.restore', request });
    const next = parts(await cloud.provider());
    const machine = await next.machineImages.restore(request);
    expect(machine.status).toBe('RUNNING');
    expect(made()).toEqual([
      `${compute}/disks/again-data-0`,
      `${compute}/disks/again-os`,
      machine.id,
      `${network}/networkInterfaces/again-nic`,
      `${network}/publicIPAddresses/again-ip`,
    ]);
    await next.instances.delete(machine.id);
    expect(made()).toEqual([]);
  });
});
