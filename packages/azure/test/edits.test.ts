import type { Image, Provider } from '@imgkit/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  isAzureImages,
  isAzureMachineImages,
  isAzureSharing,
  type AzureReplication,
} from '../src/index.ts';
import {
  gallery,
  otherSubscription,
  source,
  startAzure,
  type EmulatedAzure,
} from './emulated-azure.ts';

let cloud: EmulatedAzure;
let provider: Provider;

beforeAll(async () => {
  cloud = await startAzure();
  provider = await cloud.provider();
});
afterAll(() => cloud[Symbol.asyncDispose]());

function propertiesOf(id: string): unknown {
  return cloud.emulator.resource(id)?.['properties'];
}

type Edit = (id: string) => PromiseLike<Image | undefined> | undefined;

/** Every edit that there is, in an order in which each changes something. */
const edits: readonly (readonly [name: string, edit: Edit])[] = [
  ['a publication', (id) => provider.publishing?.publish(id, { family: 'web', version: '1' })],
  [
    'a deprecation',
    (id) =>
      provider.deprecation?.set(id, {
        state: 'DEPRECATED',
        dates: { obsolete: '2031-01-02T03:04:05.000Z' },
      }),
  ],
  [
    'new labels',
    (id) => provider.images.update(id, { labels: { team: 'web' }, description: 'new' }),
  ],
  ['ACTIVE again', (id) => provider.deprecation?.set(id, { state: 'ACTIVE' })],
  ['a withdrawal', (id) => provider.publishing?.withdraw(id)],
  [
    'another region',
    (id) => replication().change(id, { set: [{ name: 'uksouth', replicaCount: 2 }] }),
  ],
  ['a region less', (id) => replication().change(id, { remove: ['uksouth'] })],
];

function replication(): AzureReplication {
  if (!isAzureImages(provider.images)) throw new Error('they are Azure’s');
  return provider.images.replication;
}

describe('an edit', () => {
  it('is one PATCH that leaves what no client knows', async () => {
    const request = { name: 'web-1', family: 'web', version: '1', staged: true, source };
    const { ref } = await provider.images.create(request);
    const future = {
      retention: { days: 7 },
      publishingProfile: { escrow: 'kept' },
      safetyProfile: { guardian: 'ops' },
    };
    cloud.emulator.seed(ref.id, { properties: future });
    for (const [name, edit] of edits) {
      const start = cloud.emulator.requests.length;
      await edit(ref.id);
      const writes = cloud.emulator.requests.slice(start).filter(({ method }) => method !== 'GET');
      expect(
        writes.map(({ method }) => method),
        name,
      ).toEqual(['PATCH']);
      expect(propertiesOf(ref.id), name).toMatchObject(future);
      expect(propertiesOf(ref.id), name).toMatchObject({
        publishingProfile: {
          targetRegions: expect.arrayContaining([expect.objectContaining({ name: 'East US' })]),
        },
      });
    }
    expect(cloud.emulator.violations).toEqual([]);
  });

  it('of a gallery, a definition, or of what was deleted leaves what no client knows, too', async () => {
    const { emulator } = cloud;
    const future = { sovereignty: { zone: 'eu' } };
    const place = gallery.replace(/[^/]+$/, 'shared');
    emulator.seed(place, {
      location: 'eastus',
      properties: {
        ...future,
        sharingProfile: { permissions: 'Groups', escrow: 'kept' },
        softDeletePolicy: { isSoftDeleteEnabled: true, retentionPeriodInDays: 30 },
      },
    });
    const one = await cloud.provider({ gallery: 'shared', shareBy: 'direct' });
    const byRole = await cloud.provider({ gallery: 'shared', onObsolete: 'revoke-access' });
    const { ref } = await one.images.create({ name: 'web-1', family: 'web', version: '1', source });
    const definition = `${place}/images/web`;
    for (const id of [ref.id, definition]) emulator.seed(id, { properties: future });
    const start = emulator.requests.length;

    const them = { kind: 'project', id: otherSubscription } as const;
    const robot = { kind: 'service-account', id: '0b0b0b0b-1111-2222-3333-444444444444' } as const;
    await one.sharing?.grant(ref.id, [them], { allowWider: true });
    await one.sharing?.revoke(ref.id, [them], { allowWider: true });
    if (isAzureSharing(one.sharing)) await one.sharing.reset();
    await byRole.sharing?.grant(ref.id, [robot], { allowWider: true });
    await byRole.deprecation?.set(ref.id, { state: 'OBSOLETE' });
    await byRole.deprecation?.set(ref.id, { state: 'ACTIVE' });
    await one.images.delete(ref.id);
    if (isAzureImages(one.images)) await one.images.deleted.restore(ref.id);

    for (const id of [ref.id, definition, place])
      expect(propertiesOf(id), id).toMatchObject(future);
    expect(propertiesOf(place)).toMatchObject({
      sharingProfile: { escrow: 'kept' },
      softDeletePolicy: { retentionPeriodInDays: 30 },
    });
    const replaced = emulator.requests
      .slice(start)
      .filter(({ method, rpc = '' }) => method === 'PUT' && !rpc.startsWith('RoleAssignments'));
    expect(replaced.map(({ rpc }) => rpc)).toEqual([]);
  });

  it('of machines and machine images there is none: what stands is never put again', async () => {
    await using own = await startAzure({ guest: () => ({ stdout: '' }) });
    const { emulator } = own;
    const { images, instances, machineImages, disks, snapshots } = await own.provider();
    if (!instances || !machineImages || !isAzureMachineImages(machineImages))
      throw new Error('they are Azure’s');
    const future = { sovereignty: { zone: 'eu' } };
    const tagged = { location: 'eastus', tags: { theirs: 'kept' }, properties: future };
    // What a machine needs and others have begun: imgkit's own network, but for its subnet.
    const [group, network] = ['networkSecurityGroups', 'virtualNetworks'].map((kind) =>
      gallery.replace(/Compute.*/, `Network/${kind}/imgkit-eastus`),
    );
    for (const id of [group, network]) emulator.seed(id ?? '', tagged);
    const base = await images.create({ name: 'web-1', source });
    const boot = { kind: 'image', image: base.ref } as const;
    const web = await instances.launch({ name: 'web', boot, idempotencyKey: 'web' });
    const taken = { name: 'point', instance: web.id, idempotencyKey: 'point' };
    const point = await machineImages.create(taken);
    const providerOptions = { as: 'imageVersion', whenRunning: 'stop' };
    const held = { name: 'held', instance: web.id, providerOptions, idempotencyKey: 'held' };
    const version = await machineImages.create(held);
    const data = await disks?.create({ name: 'data', sizeBytes: 2 ** 30, idempotencyKey: 'data' });
    const collection = point.id.replace(/\/restorePoints\/.*/, '');
    const standing = [web.id, web.disks[0]?.id ?? '', collection, version.id, data?.id ?? ''];
    for (const id of standing) emulator.seed(id, tagged);
    const known = new Set(emulator.ids().map((id) => id.toLowerCase()));
    const start = emulator.requests.length;

    // Everything that machines and machine images can do, also what has been done already.
    await instances.launch({ name: 'web', boot, idempotencyKey: 'web' });
    await disks?.create({ name: 'data', sizeBytes: 2 ** 30, idempotencyKey: 'data' });
    await machineImages.create(taken);
    await machineImages.create(held);
    await instances.start(web.id);
    await instances.launch({ name: 'other', boot, ports: [8080] });
    await snapshots?.create({ name: 'shot', disk: data?.id ?? '' });
    await machineImages.create({ name: 'again', instance: web.id });
    await machineImages.copy(point.id, { name: 'copy', location: 'westus' });
    for (const { id } of [point, version])
      await machineImages.restore({ machineImage: id, name: `of-${id === point.id}` });
    await instances.stop(web.id);
    const captured = { kind: 'instance', instance: web.id } as const;
    const generalize = { generalize: true, deprovision: false };
    await images.create({ name: 'captured', source: captured, providerOptions: generalize });

    for (const id of [...standing, group ?? '', network ?? '']) {
      expect(emulator.resource(id)?.['tags'], id).toMatchObject({ theirs: 'kept' });
      expect(emulator.resource(id)?.['properties'], id).toMatchObject(future);
    }
    const writes = emulator.requests.slice(start);
    const put = writes
      .filter(({ method }) => method === 'PUT')
      .map(({ path }) => path.toLowerCase());
    expect(put.filter((id) => known.has(id))).toEqual([]);
    expect(put).toEqual([...new Set(put)]);
    expect(writes.filter(({ method }) => method === 'PATCH')).toEqual([]);
  });

  it('of the state tells Azure all that it knows of it', async () => {
    const { ref } = await provider.images.create({
      name: 'db-1',
      family: 'db',
      version: '1',
      source,
    });
    const obsolete = '2031-01-02T03:04:05.000Z';
    expect(propertiesOf(ref.id)).toMatchObject({ publishingProfile: { excludeFromLatest: false } });
    await provider.deprecation?.set(ref.id, { state: 'DEPRECATED', dates: { obsolete } });
    expect(propertiesOf(ref.id)).toMatchObject({
      publishingProfile: { excludeFromLatest: true, endOfLifeDate: obsolete },
    });
    await provider.deprecation?.set(ref.id, { state: 'OBSOLETE' });
    const { publishingProfile } = JSON.parse(JSON.stringify(propertiesOf(ref.id)));
    expect(Date.parse(publishingProfile.endOfLifeDate)).toBeLessThanOrEqual(Date.now());
    const active = await provider.deprecation?.set(ref.id, { state: 'ACTIVE' });
    expect(active?.published).toBe(true);
    expect(propertiesOf(ref.id)).toMatchObject({ publishingProfile: { excludeFromLatest: false } });
    expect(propertiesOf(ref.id)).not.toHaveProperty('publishingProfile.endOfLifeDate');
  });

  it('waits for the one before it', async () => {
    const { ref } = await provider.images.create({
      name: 'queue',
      family: 'queue',
      version: '1',
      source,
    });
    const labels = ['a', 'b', 'c'].map((key) =>
      provider.images.update(ref.id, { description: key }),
    );
    await Promise.all(labels);
    await provider.publishing?.publish(ref.id, { family: 'queue' });
    expect((await provider.images.get(ref.id)).status).toBe('READY');
  });

  it('moves no image to another family', async () => {
    const { ref } = await provider.images.create({ name: 'alone', source });
    const moved = provider.publishing?.publish(ref.id, { family: 'web' });
    await expect(moved).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('family'),
    });
  });

  it('names a replacement of its own gallery in few characters', async () => {
    const long = 'x'.repeat(80);
    const replacement = { provider: 'azure', id: `${gallery}/images/${long}/versions/1.0.0` };
    const { ref } = await provider.images.create({ name: 'named', source });
    const elsewhere = { provider: 'gce', id: 'projects/acme/global/images/web-1' };
    for (const one of [replacement, elsewhere]) {
      await provider.deprecation?.set(ref.id, { state: 'DEPRECATED', replacement: one });
      expect((await provider.images.get(ref.id)).deprecation.replacement).toEqual(one);
    }
  });
});

describe('the head', () => {
  it('is the highest number that is replicated to the region and not excluded, as Azure has it', async () => {
    const family = 'heads';
    const make = (version: string, providerOptions = {}) =>
      provider.images.create({
        name: `heads-${version}`,
        family,
        version,
        source,
        providerOptions,
      });
    const head = async (zone?: string) =>
      (await provider.publishing?.head?.(family, { zone }))?.version;
    await make('1.9.0', { targetRegions: ['eastus', 'westus'] });
    await make('1.10.0');
    expect(await head()).toBe('1.10.0');
    expect(await head('West US')).toBe('1.9.0');
    expect(await head('eastus-2')).toBe('1.10.0');
    await make('1.5.0');
    expect(await head(), 'published last, and not the latest').toBe('1.10.0');
    await make('2.0.0', { targetRegions: [{ name: 'eastus', excludeFromLatest: true }, 'westus'] });
    expect(await head()).toBe('1.10.0');
    expect(await head('westus')).toBe('2.0.0');
    expect(await head('northeurope')).toBeUndefined();
  });

  it('is no version whose region is still being filled', async () => {
    await using slow = await startAzure({
      operationMs: ({ rpc }) => (rpc.endsWith('Versions.Update') ? 3_600_000 : 2),
    });
    const one = await slow.provider();
    const { ref } = await one.images.create({ name: 'web-1', family: 'web', version: '1', source });
    const url = `${slow.emulator.endpoint}${ref.id}?api-version=2025-12-03`;
    const targetRegions = [{ name: 'eastus' }, { name: 'westus' }];
    const properties = { storageProfile: {}, publishingProfile: { targetRegions } };
    await fetch(url, { method: 'PATCH', body: JSON.stringify({ properties }) });
    expect((await one.publishing?.head?.('web', { zone: 'eastus' }))?.name).toBe('web-1');
    expect(await one.publishing?.head?.('web', { zone: 'westus' })).toBeUndefined();
  });
});
