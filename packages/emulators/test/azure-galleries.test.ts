import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  createVirtualClock,
  startAzureEmulator,
  type AzureEmulator,
  type JsonObject,
} from '../src/index.ts';

const subscription = '00000000-0000-0000-0000-000000000001';
const other = '00000000-0000-0000-0000-000000000002';
const tenant = '10000000-0000-0000-0000-000000000001';
const group = `/subscriptions/${subscription}/resourceGroups/images`;
const otherGroup = `/subscriptions/${other}/resourceGroups/images`;
const gallery = `${group}/providers/Microsoft.Compute/galleries/golden`;
const version = `${gallery}/images/web/versions/1.10.0`;
const day = 24 * 60 * 60_000;
const clock = createVirtualClock('2026-11-21T09:00:00Z');
let emulator: AzureEmulator;

beforeEach(async () => {
  emulator = await startAzureEmulator({
    clock,
    operationMs: 1000,
    subscriptions: [subscription, other],
  });
  emulator.seed(group, { location: 'eastus' });
  emulator.seed(otherGroup, { location: 'eastus' });
});
afterEach(() => emulator.close());

async function send(method: string, path: string, body?: JsonObject, query = '') {
  const apiVersion = path.includes('/publishers')
    ? '2026-04-01'
    : path.includes('/disks/')
      ? '2026-03-02'
      : '2025-12-03';
  const answer = await fetch(`${emulator.endpoint}${path}?api-version=${apiVersion}${query}`, {
    method,
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await answer.text();
  const parsed: any = text && JSON.parse(text);
  await clock.advance(1000);
  return { status: answer.status, body: parsed, code: parsed?.error?.code };
}

/** Makes a gallery with two versions, of which one is in another region only to be used by its number. */
async function makeGallery(properties: JsonObject): Promise<void> {
  expect((await send('PUT', gallery, { location: 'eastus', properties })).status).toBe(201);
  const identifier = { publisher: 'acme', offer: 'golden', sku: 'web' };
  const shape = { osType: 'Linux', osState: 'Generalized', identifier };
  emulator.seed(`${gallery}/images/web`, { location: 'eastus', properties: shape });
  for (const [number, excludeFromLatest] of [
    ['1.9.0', false],
    ['1.10.0', true],
  ] as const)
    emulator.seed(`${gallery}/images/web/versions/${number}`, {
      location: 'eastus',
      tags: { team: 'web' },
      properties: {
        provisioningState: 'Succeeded',
        publishingProfile: { excludeFromLatest, targetRegions: [{ name: 'East US' }] },
        storageProfile: { osDiskImage: { sizeInGB: 4 } },
      },
    });
}

const share = (operationType: string, groups?: JsonObject[]) =>
  send('POST', `${gallery}/share`, { operationType, ...(groups ? { groups } : {}) });
const at = (place: string, owner = other) =>
  `/subscriptions/${owner}/providers/Microsoft.Compute/locations/eastus/${place}`;

const info = {
  publisherUri: 'https://acme.test',
  publisherContact: 'images@acme.test',
  eula: 'https://acme.test/eula',
  publicNamePrefix: 'acmeimages',
};

describe('a gallery made for groups', () => {
  beforeEach(() => makeGallery({ sharingProfile: { permissions: 'Groups' } }));
  const shared = `${subscription}-GOLDEN`;

  it('can be read by the subscriptions that it is shared with', async () => {
    expect((await send('GET', at(`sharedGalleries/${shared}`))).status).toBe(404);
    expect((await share('Add', [{ type: 'Subscriptions', ids: [other] }])).status).toBe(202);
    const { body } = await send('GET', at('sharedGalleries'));
    expect(body.value).toMatchObject([
      { name: shared, identifier: { uniqueId: `/SharedGalleries/${shared}` } },
    ]);
    const images = await send('GET', at(`sharedGalleries/${shared.toLowerCase()}/images`));
    expect(images.body.value).toMatchObject([{ name: 'web', properties: { osType: 'Linux' } }]);
    const versions = await send('GET', at(`sharedGalleries/${shared}/images/web/versions`));
    expect(versions.body.value.map(({ name }: { name: string }) => name)).toEqual([
      '1.9.0',
      '1.10.0',
    ]);
    const one = await send('GET', at(`sharedGalleries/${shared}/images/web/versions/1.10.0`));
    expect(one.body.properties).toMatchObject({
      excludeFromLatest: true,
      artifactTags: { team: 'web' },
      storageProfile: { osDiskImage: { diskSizeGB: 4 } },
    });
    await share('Remove', [{ type: 'Subscriptions', ids: [other.toUpperCase()] }]);
    expect((await send('GET', at(`sharedGalleries/${shared}/images`))).status).toBe(404);
  });

  it('can be read by a whole tenant', async () => {
    await share('Add', [{ type: 'AADTenants', ids: [tenant] }]);
    expect((await send('GET', at('sharedGalleries'))).body.value).toEqual([]);
    const wide = await send('GET', at('sharedGalleries'), undefined, '&sharedTo=tenant');
    expect(wide.body.value).toHaveLength(1);
    expect((await send('GET', at(`sharedGalleries/${shared}/images/web`))).status).toBe(200);
  });

  it('tells whom it is shared with only when asked to', async () => {
    await share('Add', [{ type: 'Subscriptions', ids: [other] }]);
    expect((await send('GET', gallery)).body.properties.sharingProfile).toEqual({
      permissions: 'Groups',
    });
    const whole = await send('GET', gallery, undefined, '&$expand=sharingProfile/Groups');
    expect(whole.body.properties).toMatchObject({
      sharingProfile: { groups: [{ type: 'Subscriptions', ids: [other] }] },
      sharingStatus: { aggregatedState: 'Succeeded', summary: [{ region: 'East US' }] },
    });
  });

  it('is shared with at most 30 subscriptions, and never when it is encrypted', async () => {
    const ids = Array.from(
      { length: 31 },
      (_, index) => `${String(index).padStart(8, '0')}-0000-4000-8000-000000000000`,
    );
    expect((await share('Add', [{ type: 'Subscriptions', ids }])).code).toBe('InvalidParameter');
    expect((await share('Add', [{ type: 'Subscriptions', ids: ids.slice(1) }])).status).toBe(202);
    const encryption = { osDiskImage: { diskEncryptionSetId: `${group}/providers/x/y/z` } };
    const targetRegions = [{ name: 'East US', encryption }];
    emulator.seed(version, { properties: { publishingProfile: { targetRegions } } });
    expect((await share('Add', [{ type: 'AADTenants', ids: [tenant] }])).code).toBe('Conflict');
  });

  it('stays one, and goes only when its sharing is reset', async () => {
    await share('Add', [{ type: 'Subscriptions', ids: [other] }]);
    const change = { sharingProfile: { permissions: 'Private' } };
    expect((await send('PATCH', gallery, { properties: change })).code).toBe(
      'PropertyChangeNotAllowed',
    );
    expect((await send('PUT', gallery, { location: 'eastus', properties: change })).code).toBe(
      'PropertyChangeNotAllowed',
    );
    expect((await share('EnableCommunity')).code).toBe('Conflict');
    expect((await send('DELETE', gallery)).code).toBe('Conflict');
    await share('Reset');
    expect((await send('DELETE', gallery)).code).toBe('CannotDeleteResource');
  });
});

describe('a community gallery', () => {
  it('says whose it is, and has a public name once it is open', async () => {
    const bare = { sharingProfile: { permissions: 'Community' } };
    expect((await send('PUT', gallery, { location: 'eastus', properties: bare })).code).toBe(
      'InvalidParameter',
    );
    await makeGallery({ sharingProfile: { permissions: 'Community', communityGalleryInfo: info } });
    await share('EnableCommunity');
    const { communityGalleryInfo } = (await send('GET', gallery)).body.properties.sharingProfile;
    expect(communityGalleryInfo).toMatchObject({ ...info, communityGalleryEnabled: true });
    const [name = ''] = communityGalleryInfo.publicNames;
    expect(name).toMatch(/^acmeimages-/);
    expect(
      (await send('GET', at(`communityGalleries/${name}/images/web/versions/1.9.0`))).status,
    ).toBe(200);
    expect((await send('GET', at('communityGalleries'))).code).toBe('InvalidResourceType');
    const uri = `/communityGalleries/${name}/images/web`;
    const galleryImageReference = { communityGalleryImageId: uri };
    const creationData = { createOption: 'FromImage', galleryImageReference };
    const disk = `${otherGroup}/providers/Microsoft.Compute/disks/web`;
    await send('PUT', disk, { location: 'eastus', properties: { creationData } });
    expect(emulator.resource(disk)?.['properties']).toMatchObject({ diskSizeGB: 4 });
    expect((await send('DELETE', gallery)).code).toBe('Conflict');
    await share('Reset');
    expect((await send('GET', at(`communityGalleries/${name}`))).status).toBe(404);
  });
});

describe('a gallery that keeps what is deleted', () => {
  const deleted = `${gallery}/softdeletedartifacttypes/images/artifacts/web/versions`;
  beforeEach(() => makeGallery({ softDeletePolicy: { isSoftDeleteEnabled: true } }));

  it('gives it back for a week', async () => {
    await send('DELETE', version);
    expect((await send('GET', version)).status).toBe(404);
    const { body } = await send('GET', deleted);
    expect(body.value).toMatchObject([{ name: '1.10.0', properties: { resourceArmId: version } }]);
    await clock.advance(6 * day);
    const restored = await send('PATCH', version, {
      properties: { restore: true, storageProfile: {} },
    });
    expect(restored.status).toBe(200);
    expect((await send('GET', version)).body).toMatchObject({
      tags: { team: 'web' },
      properties: { provisioningState: 'Succeeded' },
    });
    await send('DELETE', version);
    await clock.advance(7 * day);
    expect((await send('GET', deleted)).body.value).toEqual([]);
    expect(
      (await send('PATCH', version, { properties: { restore: true, storageProfile: {} } })).status,
    ).toBe(404);
  });

  it('can’t go before that', async () => {
    await send('DELETE', version);
    await send('DELETE', version.replace('1.10.0', '1.9.0'));
    expect((await send('DELETE', `${gallery}/images/web`)).code).toBe('CannotDeleteResource');
    // Once more, and for good.
    await send('DELETE', version);
    await send('DELETE', version.replace('1.10.0', '1.9.0'));
    expect((await send('DELETE', `${gallery}/images/web`)).status).toBe(202);
  });
});

describe('the marketplace', () => {
  const image = { publisher: 'Acme', offer: 'linux', sku: '12-gen2' };
  const offers = at('publishers/acme/artifacttypes/vmimage/offers');
  const versions = `${offers}/linux/skus/12-gen2/versions`;
  const plan = { name: 'pro', publisher: 'acme', product: 'linux' };
  beforeEach(() => {
    emulator.addMarketplaceImage({ ...image, version: '1.9.0', plan });
    const deprecation = { imageState: 'Deprecated' } as const;
    emulator.addMarketplaceImage({ ...image, version: '1.8.0', deprecation });
  });

  it('shows what is on offer, and nothing that was withdrawn', async () => {
    expect((await send('GET', at('publishers'))).body).toMatchObject([{ name: 'Acme' }]);
    expect((await send('GET', offers)).body).toMatchObject([{ name: 'linux' }]);
    expect((await send('GET', versions)).body).toMatchObject([{ name: '1.9.0' }]);
    expect((await send('GET', `${versions}/1.9.0`)).body.properties).toMatchObject({
      plan,
      imageDeprecationStatus: { imageState: 'Active' },
    });
    expect((await send('GET', `${versions}/1.8.0`)).code).toBe('ImageVersionDeprecated');
    expect((await send('GET', `${versions}/1.7.0`)).code).toBe('NotFound');
  });

  it('gives what has a plan only to those who accept its terms', async () => {
    const creationData = { createOption: 'FromImage', imageReference: { id: `${versions}/1.9.0` } };
    const disk = `${otherGroup}/providers/Microsoft.Compute/disks/pro`;
    const body = { location: 'eastus', properties: { creationData, purchasePlan: plan } };
    expect((await send('PUT', disk, body)).code).toBe('ResourcePurchaseValidationFailed');
    emulator.acceptTerms(plan);
    expect((await send('PUT', disk, body)).status).toBe(202);
  });
});
