import { ImgkitError, type Image, type Provider } from '@imgkit/core';
import type { JsonObject } from '@imgkit/emulators';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { isAzureImageVersion } from '../src/index.ts';
import { blobSource, gallery, source, startAzure, type EmulatedAzure } from './emulated-azure.ts';

let cloud: EmulatedAzure;
let provider: Provider;
let serial = 0;

beforeAll(async () => {
  cloud = await startAzure();
  provider = await cloud.provider({ targetRegions: ['West US'] });
});
afterAll(() => cloud[Symbol.asyncDispose]());
beforeEach(() => {
  cloud.emulator.faults.clear();
  serial += 1;
});

const name = (): string => `web-${serial}`;

/** The bodies of the requests of a kind since some request. */
function sent(rpc: string, from = 0): JsonObject[] {
  const bodies = cloud.emulator.requests.slice(from).filter((request) => request.rpc === rpc);
  return bodies.map(({ body }) => JSON.parse(JSON.stringify(body)));
}

describe('a new image', () => {
  it('says outright what newer versions of Azure decide otherwise', async () => {
    const start = cloud.emulator.requests.length;
    const family = name();
    const request = { name: name(), family, version: '2026.11.21', staged: true, source };
    const image = await provider.images.create(request);
    expect(image.ref.id).toBe(`${gallery}/images/${family}/versions/2026.11.21`);
    expect(sent('GalleryImages.CreateOrUpdate', start)).toMatchObject([
      {
        properties: {
          hyperVGeneration: 'V2',
          features: [{ name: 'SecurityType', value: 'Standard' }],
          architecture: 'x64',
          osType: 'Linux',
          identifier: { publisher: 'imgkit', offer: 'golden', sku: family },
        },
      },
    ]);
    expect(sent('GalleryImageVersions.CreateOrUpdate', start)).toMatchObject([
      {
        location: 'eastus',
        properties: {
          publishingProfile: {
            targetRegions: [{ name: 'eastus' }, { name: 'westus' }],
            excludeFromLatest: true,
            endOfLifeDate: null,
          },
          safetyProfile: { blockDeletionBeforeEndOfLife: false },
        },
      },
    ]);
    const { native } = image;
    if (!isAzureImageVersion(native)) throw new Error('it is one');
    expect(native.replicationStatus).toMatchObject({ aggregatedState: 'Completed' });
  });

  it('takes the definition that stands, and refuses to be what that is not', async () => {
    const family = name();
    const first = {
      name: `${family}-1`,
      family,
      version: '4',
      source,
      architecture: 'arm64',
    } as const;
    expect((await provider.images.create(first)).architecture).toBe('arm64');
    const start = cloud.emulator.requests.length;
    await provider.images.create({ name: `${family}-2`, family, version: '2', source });
    expect(sent('GalleryImages.CreateOrUpdate', start)).toEqual([]);
    const other = {
      name: `${family}-3`,
      family,
      version: '3',
      source,
      architecture: 'x86_64',
    } as const;
    await expect(provider.images.create(other)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    const alone = provider.images.create({ name: family, source });
    await expect(alone).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
      message: expect.stringContaining('family'),
    });
  });

  it('goes where it is told to, as often as it is told to', async () => {
    const start = cloud.emulator.requests.length;
    const targetRegions = [
      'East US',
      {
        name: 'North Europe',
        replicaCount: 3,
        storageAccountType: 'Standard_ZRS',
        excludeFromLatest: true,
      },
    ];
    await provider.images.create({
      name: name(),
      source,
      providerOptions: { targetRegions, replicaCount: 2 },
    });
    expect(sent('GalleryImageVersions.CreateOrUpdate', start)[0]).toMatchObject({
      properties: {
        publishingProfile: {
          targetRegions: [
            { name: 'eastus', regionalReplicaCount: 2, storageAccountType: 'Standard_LRS' },
            {
              name: 'northeurope',
              regionalReplicaCount: 3,
              storageAccountType: 'Standard_ZRS',
              excludeFromLatest: true,
            },
          ],
        },
      },
    });
  });

  it.each([
    { targetRegions: ['West US'] },
    { targetRegions: ['eastus', 'East US'] },
    { replicaCount: 101 },
    { surprise: 1 },
  ])('is refused with %j, before Azure is asked', async (providerOptions) => {
    const start = cloud.emulator.requests.length;
    const refused = provider.images.create({ name: name(), source, providerOptions });
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(cloud.emulator.requests).toHaveLength(start);
  });

  it('is made of blobs, disks, snapshots and other versions', async () => {
    const { disks, snapshots } = provider;
    if (disks === undefined || snapshots === undefined) throw new Error('it has both');
    const blob = await provider.images.create({ name: `${name()}-blob`, ...blobSource });
    expect(blob).toMatchObject({ diskSizeBytes: 2 ** 30, origin: { kind: 'file' } });
    const disk = await disks.create({ name: name(), source: { kind: 'image', image: blob.ref } });
    const ofDisk = await provider.images.create({
      name: `${name()}-disk`,
      source: { kind: 'disk', disk: disk.id },
    });
    expect(ofDisk.origin).toEqual({ kind: 'disk', id: disk.id });
    const snapshot = await snapshots.create({ name: name(), disk: disk.id });
    const ofSnapshot = await provider.images.create({
      name: `${name()}-snap`,
      source: { kind: 'snapshot', snapshot: snapshot.id },
    });
    expect(ofSnapshot.origin?.kind).toBe('snapshot');
    const ofImage = await provider.images.create({
      name: `${name()}-copy`,
      source: { kind: 'image', image: ofSnapshot.ref },
    });
    expect(ofImage.origin).toEqual({ kind: 'image', id: ofSnapshot.ref.id });
    const noAccount = provider.images.create({ name: `${name()}-x`, source: blobSource.source });
    await expect(noAccount).rejects.toMatchObject({
      message: expect.stringContaining('storage account'),
    });
  });

  it('is not made of what is withdrawn, though Azure would', async () => {
    const old = await provider.images.create({ name: `${name()}-old`, source });
    await provider.deprecation?.set(old.ref.id, { state: 'OBSOLETE' });
    const image = provider.images.create({
      name: name(),
      source: { kind: 'image', image: old.ref },
    });
    await expect(image).rejects.toMatchObject({ code: 'IMAGE_OBSOLETE' });
  });

  it('that fails says why, and is removed', async () => {
    cloud.emulator.faults.add({
      rpc: 'GalleryImageVersions.CreateOrUpdate',
      kind: 'operation-error',
      code: 'ReplicationJobsNotCompleted',
      message: 'West US has no room.',
    });
    const failing = provider.images.create({ name: name(), source });
    await expect(failing).rejects.toMatchObject({
      code: 'OPERATION_FAILED',
      providerCode: 'ReplicationJobsNotCompleted',
      message: 'West US has no room.',
    });
    expect(cloud.emulator.ids().filter((id) => id.includes(name()))).toEqual([]);
  });

  it('takes the place of one that failed, when it is told to', async () => {
    const family = name();
    await provider.images.create({ name: `${family}-1`, family, version: '1', source });
    const id = `${gallery}/images/${family}/versions/2.0.0`;
    cloud.emulator.seed(id, { location: 'eastus', properties: { provisioningState: 'Failed' } });
    const request = { name: `${family}-2`, family, version: '2', source };
    const beside = await provider.images.create(request);
    expect(beside.ref.id).not.toBe(id);
    await provider.images.delete(beside.ref.id);
    const made = await provider.images.create({
      ...request,
      providerOptions: { replaceFailed: true },
    });
    expect(made).toMatchObject({ ref: { id }, status: 'READY', version: '2' });
  });
});

describe('a wait for Azure', () => {
  it('that runs out is PENDING with a token, and never a failure', async () => {
    await using slow = await startAzure({ operationMs: 150 });
    const hasty = await slow.provider({ maxWaitMs: 20, targetRegions: ['westus2'] });
    const seen: string[] = [];
    const operation = hasty.images.create({ name: 'web', source: { ...source } });
    const told = (async () => {
      for await (const { message } of operation) seen.push(message);
    })();
    const error: unknown = await operation.then(String, (reason: unknown) => reason);
    await told;
    if (!ImgkitError.is(error, 'PENDING')) throw error;
    expect(seen.at(-1)).toMatch(/^replicating: East US \d+ %, West US 2 \d+ %$/);
    const patient = await slow.provider();
    const image: unknown = await patient.resume(error.token ?? '');
    expect(image).toMatchObject({ name: 'web', status: 'READY' });
  });

  it('goes to no other server than its own', async () => {
    const token = {
      call: 'images.delete',
      operation: { mode: 'OperationLocation', url: 'http://evil.test/x', subscription: 's' },
      target: 'x',
      rest: null,
    };
    const text = `azure:${Buffer.from(JSON.stringify(token)).toString('base64url')}`;
    await expect(provider.resume(text)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('a list', () => {
  it('is whole though a page of it failed once', async () => {
    await using paged = await startAzure({ pageSize: 1 });
    const one = await paged.provider();
    const family = 'web';
    for (const version of ['1', '2', '3'])
      await one.images.create({ name: `web-${version}`, family, version, source });
    paged.emulator.faults.add({
      rpc: 'GalleryImageVersions.ListByGalleryImage',
      kind: 'status',
      status: 503,
      after: 1,
    });
    const images: Image[] = [];
    for await (const image of one.images.list({ family })) images.push(image);
    expect(images.map((image) => image.version)).toEqual(['1', '2', '3']);
    expect(images[0]?.ref.id).toBe(`${gallery}/images/web/versions/1.0.0`);
  });

  it('shows what others made', async () => {
    const family = name();
    const properties = {
      osType: 'Linux',
      osState: 'Generalized',
      identifier: { publisher: 'a', offer: 'b', sku: family },
    };
    cloud.emulator.seed(`${gallery}/images/${family}`, { location: 'eastus', properties });
    cloud.emulator.seed(`${gallery}/images/${family}/versions/3.2.1`, {
      location: 'eastus',
      tags: { team: 'web' },
      properties: {
        provisioningState: 'Succeeded',
        publishingProfile: {
          targetRegions: [{ name: 'East US' }],
          publishedDate: '2026-11-01T00:00:00Z',
        },
      },
    });
    const image = await provider.images.get(
      `${gallery}/images/${family}/versions/3.2.1`.toUpperCase(),
    );
    expect(image).toMatchObject({
      family,
      version: '3.2.1',
      published: true,
      labels: { team: 'web' },
    });
    expect(await provider.publishing?.head?.(family)).toMatchObject({ version: '3.2.1' });
  });
});

describe('an image in the way', () => {
  it('can’t be deleted while it is protected', async () => {
    const providerOptions = { blockDeletionBeforeEndOfLife: true };
    const { ref } = await provider.images.create({ name: name(), source, providerOptions });
    await provider.deprecation?.set(ref.id, {
      state: 'DEPRECATED',
      dates: { obsolete: '2099-01-01T00:00:00Z' },
    });
    await expect(provider.images.delete(ref.id)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('end of life'),
    });
    expect(cloud.emulator.resource(ref.id)?.['properties']).toMatchObject({
      provisioningState: 'Succeeded',
    });
  });
});
