import type { Provider } from '@imgkit/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { isAzureImages, isAzureMachineImages, type AzureOptions } from '../src/index.ts';
import { group, source, startAzure, type EmulatedAzure } from './emulated-azure.ts';

let cloud: EmulatedAzure;
beforeEach(async () => {
  cloud = await startAzure();
});
afterEach(() => cloud[Symbol.asyncDispose]());

const image = { name: 'web-1', family: 'web', version: '1', source };
const boot = { kind: 'image', image: source.kind === 'image' ? source.image : never() } as const;
const point = `${group}/providers/Microsoft.Compute/restorePointCollections/web/restorePoints/web`;

function never(): never {
  throw new Error('it is an image');
}

/** What makes something in the region that the provider works in. */
const creations: readonly (readonly [
  what: string,
  create: (provider: Provider) => PromiseLike<unknown> | undefined,
])[] = [
  ['an image', ({ images }) => images.create(image)],
  ['a disk', ({ disks }) => disks?.create({ name: 'data', sizeBytes: 2 ** 30 })],
  ['a machine', ({ instances }) => instances?.launch({ name: 'vm-1', boot })],
  ['a fleet', ({ fleets }) => fleets?.create({ name: 'web', size: 1, template: { boot } })],
];

const listed = (): number =>
  cloud.emulator.requests.filter(({ rpc }) => rpc === 'Subscriptions.ListLocations').length;
const written = (): readonly (string | undefined)[] =>
  cloud.emulator.requests.filter(({ method }) => method !== 'GET').map(({ rpc }) => rpc);

describe('a region that the subscription doesn’t have', () => {
  it.each(creations)('is refused before anything is made for %s', async (_, create) => {
    const provider = await cloud.provider({ location: 'West Europ' });
    await expect(create(provider)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('"westeurop"'),
      hint: 'Did you mean: westeurope?',
    });
    expect(written()).toEqual([]);
  });

  it.each<AzureOptions>([
    { targetRegions: ['eastus', 'ukwest'] },
    // A name for many regions, which nothing can be in.
    { targetRegions: ['eastus', { name: 'europe', replicaCount: 2 }] },
  ])('is refused as a target region: %j', async (options) => {
    const provider = await cloud.provider();
    const providerOptions = { ...options };
    const asked = provider.images.create({ ...image, providerOptions });
    await expect(asked).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect((await cloud.provider(options)).images.create(image)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      hint: expect.stringMatching(/Did you mean|az account/),
    });
    expect(written()).toEqual([]);
  });

  it('is refused for a replication, and for a copy of a machine image', async () => {
    const { images, machineImages } = await cloud.provider();
    if (!isAzureImages(images) || !isAzureMachineImages(machineImages)) throw new Error('others');
    const { ref } = await images.create(image);
    const before = written().length;
    const refused = { code: 'INVALID_ARGUMENT', hint: 'Did you mean: uksouth?' };
    const change = images.replication.change(ref.id, { set: ['UK Suoth'] });
    await expect(change).rejects.toMatchObject(refused);
    const copy = machineImages.copy(point, { name: 'copy', location: 'uksoth' });
    await expect(copy).rejects.toMatchObject(refused);
    expect(written()).toHaveLength(before);
  });
});

describe('the regions of the subscription', () => {
  it('are asked for once, and are told in whatever form they are written', async () => {
    const targetRegions = ['EAST us', 'uk south', { name: 'WestUS2', replicaCount: 2 }];
    const provider = await cloud.provider({ location: 'EastUS', targetRegions });
    const { disks, images } = provider;
    await Promise.all([images.create(image), disks?.create({ name: 'data', sizeBytes: 2 ** 30 })]);
    await images.create({ ...image, name: 'web-2', version: '2' });
    expect(listed()).toBe(1);
  });

  it('that may not be read are Azure’s to decide', async () => {
    cloud.emulator.faults.add({
      rpc: 'Subscriptions.ListLocations',
      kind: 'status',
      status: 403,
      reason: 'AuthorizationFailed',
      times: Infinity,
    });
    const here = await cloud.provider();
    expect((await here.images.create(image)).status).toBe('READY');
    const elsewhere = await cloud.provider({ location: 'westeurop' });
    const refused = elsewhere.disks?.create({ name: 'data', sizeBytes: 2 ** 30 });
    await expect(refused).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      providerCode: expect.any(String),
    });
    expect(listed()).toBe(2);
  });

  it('are asked for again when the one who asked gives up', async () => {
    const { disks } = await cloud.provider();
    const stop = new AbortController();
    cloud.emulator.faults.add({ rpc: 'Subscriptions.ListLocations', kind: 'delay', ms: 1000 });
    const given = disks?.create({ name: 'a', sizeBytes: 2 ** 30 }, { signal: stop.signal });
    const other = disks?.create({ name: 'b', sizeBytes: 2 ** 30 });
    await expect.poll(listed, { interval: 5 }).toBe(1);
    stop.abort();
    await expect(given).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await other).toMatchObject({ name: 'b' });
  });
});
