import { family, type Image, type ImageFilter, type Imgkit, type Provider } from '@imgkit/core';
import type { JsonObject } from '@imgkit/emulators';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { isAzureMarketplaceImage } from '../src/index.ts';
import {
  group,
  otherSubscription,
  startAzure,
  subscription,
  type EmulatedAzure,
} from './emulated-azure.ts';

const theirs = `/subscriptions/${otherSubscription}/resourceGroups/Images/providers/Microsoft.Compute/galleries`;
const shared = `/sharedGalleries/${otherSubscription}-OPEN`;
const community = '/communityGalleries/acmeimages-1';
const plan = { name: 'pro', publisher: 'acme', product: 'linux' };

let cloud: EmulatedAzure;
let kit: Imgkit;
let provider: Provider;

beforeAll(async () => {
  cloud = await startAzure();
  kit = await cloud.open();
  provider = kit.providers.get('azure');
  const groups = [{ type: 'Subscriptions', ids: [subscription] }];
  seedGallery('open', {
    identifier: { uniqueName: `${otherSubscription}-OPEN` },
    sharingProfile: { permissions: 'Groups', groups },
  });
  const communityGalleryInfo = { communityGalleryEnabled: true, publicNames: ['acmeimages-1'] };
  seedGallery('everybodys', { sharingProfile: { permissions: 'Community', communityGalleryInfo } });
  const image = {
    publisher: 'Debian',
    offer: 'debian-12',
    sku: '12-gen2',
    architecture: 'Arm64',
  } as const;
  for (const version of ['0.2026.9', '0.2026.10'])
    cloud.emulator.addMarketplaceImage({ ...image, version });
});
afterAll(() => cloud[Symbol.asyncDispose]());

/** A gallery of somebody else with a family of three versions, of which two can be the latest somewhere. */
function seedGallery(name: string, properties: JsonObject): void {
  cloud.emulator.seed(`${theirs}/${name}`, { location: 'eastus', properties });
  const definition = `${theirs}/${name}/images/web`;
  const identifier = { publisher: 'acme', offer: name, sku: 'web' };
  const features = [{ name: 'SecurityType', value: 'TrustedLaunch' }];
  const shape = {
    osType: 'Linux',
    osState: 'Specialized',
    hyperVGeneration: 'V2',
    architecture: 'Arm64',
    identifier,
    features,
    purchasePlan: plan,
  };
  cloud.emulator.seed(definition, { location: 'eastus', properties: shape });
  const versions = [
    ['1.9.0', ['East US', 'West US'], {}],
    ['1.10.0', ['East US'], { team: 'web' }],
    [
      '1.11.0',
      ['East US'],
      {
        'imgkit-name': 'web-1.11.0',
        'imgkit-state': 'DEPRECATED',
        'imgkit-replacement': 'web/versions/1.10.0',
        'imgkit-version': 'eleven',
      },
    ],
  ] as const;
  for (const [number, regions, tags] of versions)
    cloud.emulator.seed(`${definition}/versions/${number}`, {
      location: 'eastus',
      tags: { ...tags },
      properties: {
        provisioningState: 'Succeeded',
        publishingProfile: {
          targetRegions: regions.map((region) => ({ name: region })),
          publishedDate: '2026-11-01T00:00:00Z',
        },
        storageProfile: { osDiskImage: { sizeInGB: 4 } },
      },
    });
}

async function list(filter: ImageFilter): Promise<readonly Image[]> {
  const found: Image[] = [];
  for await (const image of provider.images.list(filter)) found.push(image);
  return found;
}

describe.each([
  ['another subscription’s gallery, by its id', `${theirs}/open`, `${theirs}/open`],
  ['a gallery that is shared with the subscription', shared, shared],
  ['a gallery that is shared with everybody', community, community],
])('the images of %s', (_, project, prefix) => {
  it('are listed, read, and have a latest', async () => {
    const found = await list({ project, family: 'web' });
    expect(found.map(({ ref }) => ref.id).toSorted()).toEqual(
      ['1.10.0', '1.11.0', '1.9.0'].map((number) =>
        expect.stringContaining(`/images/web/versions/${number}`),
      ),
    );
    const head = await kit.families.head('azure', family('web', { project }));
    expect(head).toMatchObject({
      family: 'web',
      version: '1.10.0',
      architecture: 'arm64',
      labels: { team: 'web' },
      diskSizeBytes: 4 * 2 ** 30,
    });
    expect(head.ref.id).toBe(`${prefix}/images/web/versions/1.10.0`);
    expect((await provider.publishing?.head?.('web', { project, zone: 'West US' }))?.version).toBe(
      '1.9.0',
    );
    expect(await provider.publishing?.head?.('db', { project })).toBeUndefined();
    const { image } = await kit.images.forUse(`azure:${head.ref.id.toUpperCase()}`);
    expect(provider.sameId(image.ref.id, head.ref.id)).toBe(true);
    const { warnings } = await kit.images.forUse(`azure:${prefix}/images/web/versions/1.11.0`);
    expect(warnings[0]?.replacement?.id).toMatch(/\/images\/web\/versions\/1\.10\.0$/);
  });

  it('are what own ones are made of, with all that a definition must say', async () => {
    const name = `copy-${project.replaceAll(/\W/g, '').slice(-20)}`;
    const head = await kit.families.head('azure', family('web', { project }));
    const copy = await provider.images.create({ name, source: { kind: 'image', image: head.ref } });
    expect(copy.origin).toEqual({ kind: 'image', id: head.ref.id });
    expect(copy.diskSizeBytes).toBe(4 * 2 ** 30);
    expect(
      cloud.emulator.resource(copy.ref.id.replace(/\/versions\/.*/, ''))?.['properties'],
    ).toMatchObject({
      osState: 'Specialized',
      architecture: 'Arm64',
      purchasePlan: plan,
      features: [{ name: 'SecurityType', value: 'TrustedLaunch' }],
    });
    const disk = await provider.disks?.create({
      name: `disk-${name}`,
      source: { kind: 'image', image: head.ref },
    });
    expect(disk).toMatchObject({ image: head.ref, sizeBytes: 4 * 2 ** 30 });
  });

  it('are not to be changed', async () => {
    const id = `${prefix}/images/web/versions/1.10.0`;
    if (project === `${theirs}/open`) return;
    for (const change of [
      provider.deprecation?.set(id, { state: 'OBSOLETE' }),
      provider.images.delete(id),
    ])
      await expect(change).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  });
});

describe('another subscription', () => {
  it('holds the families of all of its galleries', async () => {
    const project = otherSubscription;
    expect(await list({ project, family: 'web' })).toHaveLength(6);
    await expect(kit.families.head('azure', family('web', { project }))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      hint: expect.stringContaining(`${theirs}/everybodys`),
    });
  });

  it('is named in one of the known ways', async () => {
    await expect(list({ project: 'debian-cloud' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      hint: expect.stringContaining('publisher:offer'),
    });
  });
});

describe('the marketplace', () => {
  const project = 'Debian:debian-12';

  it('has offers, whose families are their SKUs', async () => {
    const head = await kit.families.head('azure', family('12-gen2', { project }));
    expect(head).toMatchObject({
      ref: { id: 'Debian:debian-12:12-gen2:0.2026.10' },
      project,
      architecture: 'arm64',
      deprecation: { state: 'ACTIVE' },
    });
    const disk = await provider.disks?.create({
      name: 'of-offer',
      source: { kind: 'image', image: head.ref },
    });
    expect(disk, 'Azure tells its size only now').toMatchObject({
      image: head.ref,
      sizeBytes: 30 * 2 ** 30,
    });
    expect(isAzureMarketplaceImage(head.native) && head.native.plan).toBeUndefined();
    expect(await list({ project, family: '12-gen2' })).toHaveLength(2);
    const { image } = await kit.images.forUse('azure:debian:debian-12:12-gen2:latest');
    expect(image.version).toBe('0.2026.10');
    const path = `/subscriptions/${subscription}/providers/Microsoft.Compute/locations/eastus/publishers/debian/artifacttypes/vmimage/offers/debian-12/skus/12-gen2/versions/0.2026.9`;
    expect((await provider.images.get(path)).version).toBe('0.2026.9');
    await expect(provider.images.get('debian:debian-13:13:latest')).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await expect(list({ project })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  it('tells what its publishers withdraw, and what to use instead', async () => {
    const { emulator } = cloud;
    const image = { publisher: 'old', offer: 'linux', sku: '8' };
    const scheduledDeprecationTime = '2027-01-01T00:00:00.000Z';
    const later = { imageState: 'ScheduledForDeprecation', scheduledDeprecationTime } as const;
    emulator.addMarketplaceImage({
      ...image,
      version: '1.0.0',
      deprecation: { ...later, alternativeOption: { type: 'Plan', value: '9' } },
    });
    emulator.addMarketplaceImage({ ...image, offer: 'linux-x', version: '1.0.0' });
    emulator.addMarketplaceImage({
      ...image,
      sku: '7',
      version: '1.0.0',
      deprecation: { ...later, alternativeOption: { type: 'Offer', value: 'linux-x' } },
    });
    emulator.addMarketplaceImage({
      ...image,
      version: '0.9.0',
      deprecation: { imageState: 'Deprecated' },
    });
    const { image: found, warnings } = await kit.images.forUse('azure:old:linux:8:1.0.0');
    expect(found.deprecation).toEqual({
      state: 'DEPRECATED',
      dates: { obsolete: scheduledDeprecationTime },
      replacement: { provider: 'azure', id: 'old:linux:9:latest' },
    });
    expect(warnings[0]?.message).toContain('old:linux:9:latest');
    expect(
      (await provider.images.get('old:linux:7:1.0.0')).deprecation.replacement,
      'the other offer has no SKU 7',
    ).toBeUndefined();
    await expect(
      kit.families.head('azure', family('8', { project: 'old:linux' })),
    ).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      replacement: 'azure:old:linux:9:latest',
      hint: expect.stringContaining('old:linux:8:1.0.0'),
    });
    await expect(provider.images.get('old:linux:8:0.9.0')).rejects.toMatchObject({
      code: 'IMAGE_OBSOLETE',
      providerCode: 'ImageVersionDeprecated',
    });
  });

  it('has images that own ones are made of by way of a disk, with their plan, once its terms are accepted', async () => {
    cloud.emulator.addMarketplaceImage({
      publisher: 'acme',
      offer: 'linux',
      sku: 'pro',
      version: '1.0.0',
      sizeInGB: 8,
      plan,
    });
    const request = {
      name: 'pro-1',
      family: 'pro',
      version: '1',
      labels: { 'imgkit-run': 'r1' },
      source: { kind: 'image', image: { provider: 'azure', id: 'acme:linux:pro:latest' } },
    } as const;
    const disks = () => cloud.emulator.ids().filter((id) => id.includes('/disks/imgkit-'));
    await expect(provider.images.create(request)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('az vm image terms accept'),
    });
    expect(disks()).toEqual([]);
    cloud.emulator.acceptTerms(plan);
    const start = cloud.emulator.requests.length;
    const image = await provider.images.create(request);
    expect(image).toMatchObject({
      diskSizeBytes: 8 * 2 ** 30,
      family: 'pro',
      version: '1',
      origin: { kind: 'image', id: 'acme:linux:pro:1.0.0' },
    });
    const made = cloud.emulator.requests
      .slice(start)
      .find(({ rpc }) => rpc === 'Disks.CreateOrUpdate');
    expect(made?.body).toMatchObject({ tags: { 'imgkit-run': 'r1' } });
    expect(disks(), 'the disk was there for a while').toEqual([]);
    expect(
      cloud.emulator.resource(image.ref.id.replace(/\/versions\/.*/, ''))?.['properties'],
    ).toMatchObject({ purchasePlan: plan });
  });

  it('has images with data disks, which are refused rather than lost', async () => {
    cloud.emulator.addMarketplaceImage({
      publisher: 'acme',
      offer: 'db',
      sku: '1',
      version: '1.0.0',
      dataDisks: 2,
    });
    const source = { kind: 'image', image: { provider: 'azure', id: 'acme:db:1:1.0.0' } } as const;
    await expect(provider.images.create({ name: 'db', source })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
  });
});

describe('a managed image', () => {
  it('can be read and used', async () => {
    const id = `${group}/providers/Microsoft.Compute/images/base`;
    expect(await provider.images.get(id)).toMatchObject({
      name: 'base',
      status: 'READY',
      diskSizeBytes: 2 ** 30,
      project: subscription,
    });
    const image = { provider: 'azure', id };
    const disk = await provider.disks?.create({
      name: 'of-managed',
      source: { kind: 'image', image },
    });
    expect(disk?.sizeBytes).toBe(2 ** 30);
    await expect(provider.images.delete(id)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  });
});
