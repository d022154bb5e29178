import { ImgkitError, type Provider } from '@imgkit/core';
import { createVirtualClock } from '@imgkit/emulators';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { isAzureImages, type AzureImages } from '../src/index.ts';
import { gallery, group, source, startAzure, type EmulatedAzure } from './emulated-azure.ts';

const encryptionSet = `${group}/providers/Microsoft.Compute/diskEncryptionSets/keys`;
let cloud: EmulatedAzure;
let provider: Provider;
let images: AzureImages;
let serial = 0;

beforeAll(async () => {
  cloud = await startAzure({ futureFields: ['sovereignty'] });
  provider = await cloud.provider();
  images = imagesOf(provider);
});
afterAll(() => cloud[Symbol.asyncDispose]());
beforeEach(() => {
  cloud.emulator.faults.clear();
  serial += 1;
});

function imagesOf(one: Provider): AzureImages {
  if (!isAzureImages(one.images)) throw new Error('they are Azure’s');
  return one.images;
}

async function make(providerOptions = {}): Promise<string> {
  const family = `web-${serial}`;
  return (await images.create({ name: family, family, version: '1', source, providerOptions })).ref
    .id;
}

/** Where a version is, as Azure has it. */
function regionsOf(id: string): readonly Record<string, unknown>[] {
  return JSON.parse(JSON.stringify(cloud.emulator.resource(id))).properties.publishingProfile
    .targetRegions;
}

describe('the regions of an image', () => {
  it('are kept in the way that each says', async () => {
    const id = await make({
      targetRegions: [
        'eastus',
        {
          name: 'West US',
          replicaCount: 3,
          storageAccountType: 'Premium_LRS',
          diskEncryptionSetId: encryptionSet,
          dataDiskEncryption: [{ lun: 1, diskEncryptionSetId: encryptionSet }],
          confidentialVm: {
            encryptionType: 'EncryptedWithCmk',
            diskEncryptionSetId: encryptionSet,
          },
        },
      ],
    });
    expect(regionsOf(id)[1]).toEqual({
      name: 'West US',
      regionalReplicaCount: 3,
      storageAccountType: 'Premium_LRS',
      excludeFromLatest: false,
      encryption: {
        osDiskImage: {
          diskEncryptionSetId: encryptionSet,
          securityProfile: {
            confidentialVMEncryptionType: 'EncryptedWithCmk',
            secureVMDiskEncryptionSetId: encryptionSet,
          },
        },
        dataDiskImages: [{ lun: 1, diskEncryptionSetId: encryptionSet }],
      },
    });
  });

  it('are those of the provider by default', async () => {
    const targetRegions = ['eastus', { name: 'uksouth', replicaCount: 2, excludeFromLatest: true }];
    const other = await cloud.provider({ targetRegions });
    const { ref } = await other.images.create({ name: `d-${serial}`, source });
    expect(regionsOf(ref.id)[1]).toMatchObject({
      name: 'UK South',
      regionalReplicaCount: 2,
      excludeFromLatest: true,
    });
  });

  it.each([
    { targetRegions: [] },
    { targetRegions: ['east_us'] },
    { targetRegions: ['eastus', { name: 'westus', replicaCount: 0 }] },
    { targetRegions: [{ name: 'eastus', diskEncryptionSetId: 'keys' }] },
    { targetRegions: [{ name: 'eastus', confidentialVm: { encryptionType: 'EncryptedWithCmk' } }] },
    { targetRegions: ['eastus', 'westus'], replicationMode: 'Shallow' },
  ])('can’t be %j', async (providerOptions) => {
    const start = cloud.emulator.requests.length;
    await expect(make(providerOptions)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(cloud.emulator.requests).toHaveLength(start);
  });

  it('change by one PATCH, and what isn’t named stays', async () => {
    const id = await make({ targetRegions: ['eastus', 'westus'] });
    // What no client knows, in the one list of which Azure takes only the whole.
    const known = regionsOf(id).map((region) => Object.assign(region, { sovereignty: 'kept' }));
    cloud.emulator.seed(id, {
      properties: {
        publishingProfile: { targetRegions: JSON.parse(JSON.stringify(known)), escrow: 1 },
      },
    });
    const start = cloud.emulator.requests.length;
    const set = [{ name: 'West US', replicaCount: 5 }, 'North Europe'];
    const seen: string[] = [];
    const change = images.replication.change(id, { set });
    for await (const { message } of change) seen.push(message);
    expect((await change).status).toBe('READY');
    const writes = cloud.emulator.requests.slice(start).filter(({ method }) => method !== 'GET');
    expect(writes.map(({ method }) => method)).toEqual(['PATCH']);
    expect(regionsOf(id)).toMatchObject([
      { name: 'East US', sovereignty: 'kept', regionalReplicaCount: 1 },
      { name: 'West US', sovereignty: 'kept', regionalReplicaCount: 5 },
      { name: 'North Europe' },
    ]);
    expect(seen.at(-1)).toMatch(/East US \d+ %, West US \d+ %, North Europe \d+ %/);
    await images.replication.change(id, { remove: ['WESTUS'] });
    expect(regionsOf(id).map(({ name }) => name)).toEqual(['East US', 'North Europe']);
    expect(cloud.emulator.resource(id)?.['properties']).toMatchObject({
      publishingProfile: { escrow: 1 },
    });
    const home = images.replication.change(id, { remove: ['East US'] });
    await expect(home).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('that failed are tried again, and no others', async () => {
    const id = await make();
    cloud.emulator.faults.add({
      rpc: 'GalleryImageVersions.Update',
      kind: 'operation-error',
      code: 'ReplicationJobsNotCompleted',
      message: 'West US has no room.',
    });
    const change = images.replication.change(id, { set: ['westus'] });
    await expect(change).rejects.toMatchObject({
      code: 'OPERATION_FAILED',
      providerCode: 'ReplicationJobsNotCompleted',
    });
    expect((await images.replication.status(id)).regions).toMatchObject([
      { name: 'eastus', state: 'Completed' },
      { name: 'westus', state: 'Failed', details: expect.stringContaining('West US') },
    ]);
    expect((await images.replication.retry(id)).status).toBe('READY');
    const start = cloud.emulator.requests.length;
    await images.replication.retry(id);
    expect(cloud.emulator.requests.slice(start).every(({ method }) => method === 'GET')).toBe(true);
    expect((await images.replication.status(id)).regions).toMatchObject([
      { name: 'eastus', state: 'Completed' },
      { name: 'westus', state: 'Completed', progress: 100 },
    ]);
  });

  it('tell where the image may be the latest, and why not', async () => {
    const id = await make({
      targetRegions: ['eastus', { name: 'westus', excludeFromLatest: true }],
    });
    expect(await images.replication.status(id)).toMatchObject({
      excludeFromLatest: false,
      regions: [
        { name: 'eastus', excludeFromLatest: false, mayBeLatest: true },
        { name: 'westus', excludeFromLatest: true, mayBeLatest: false },
      ],
    });
    await provider.publishing?.withdraw(id);
    expect(await images.replication.status(id)).toMatchObject({
      excludeFromLatest: true,
      regions: [
        { excludeFromLatest: false, mayBeLatest: false },
        { excludeFromLatest: true, mayBeLatest: false },
      ],
    });
  });

  it('that take longer than the wait are PENDING, and another process goes on', async () => {
    await using slow = await startAzure({
      operationMs: ({ rpc }) => (rpc.endsWith('Versions.Update') ? 150 : 2),
    });
    const hasty = await slow.provider({ maxWaitMs: 20 });
    const { ref } = await hasty.images.create({ name: 'web', source });
    const change = imagesOf(hasty).replication.change(ref.id, { set: ['westus'] });
    const error: unknown = await change.then(String, (reason: unknown) => reason);
    if (!ImgkitError.is(error, 'PENDING')) throw error;
    const image: unknown = await (await slow.provider()).resume(error.token ?? '');
    expect(image).toMatchObject({ name: 'web', status: 'READY' });
  });
});

describe('an image that was deleted', () => {
  const clock = createVirtualClock('2026-11-21T09:00:00Z');
  const shared = {
    now: () => clock.now(),
    sleep: (ms: number) => clock.advance(ms),
  };

  it('can be had back for a week, with all that it had', async () => {
    await using soft = await startAzure({ clock });
    soft.emulator.seed(gallery, {
      properties: { softDeletePolicy: { isSoftDeleteEnabled: true } },
    });
    const one = await soft.provider({ clock: shared });
    const { deleted } = imagesOf(one);
    const list = async () => {
      const found = [];
      for await (const image of deleted.list('web')) found.push(image);
      return found;
    };
    const request = { name: 'web-1', family: 'web', version: '1', source, labels: { team: 'web' } };
    const { ref } = await one.images.create(request);
    expect(await list()).toEqual([]);
    await expect(deleted.purge(ref.id)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    await one.images.delete(ref.id);
    await expect(one.images.get(ref.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await list()).toMatchObject([
      { ref, family: 'web', number: '1.0.0', deletedAt: expect.stringContaining('2026-11-21') },
    ]);
    expect(await deleted.restore(ref.id)).toMatchObject({
      ref,
      labels: { team: 'web' },
      status: 'READY',
    });
    await one.images.delete(ref.id);
    // Its number is taken until it is gone for good: the next image gets another.
    const next = await one.images.create({ ...request, name: 'web-2' });
    expect(next).toMatchObject({ status: 'READY', version: '1' });
    expect(next.ref.id).not.toBe(ref.id);
    await deleted.purge(ref.id);
    expect(await list()).toEqual([]);
    await expect(deleted.restore(ref.id)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: expect.stringContaining('seven days'),
    });
    await one.images.delete(next.ref.id);
    await clock.advance(7 * 24 * 60 * 60_000);
    expect(await list()).toEqual([]);
  });
});
