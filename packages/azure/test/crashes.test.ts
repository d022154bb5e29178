import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { isAzureImages } from '../src/index.ts';
import {
  gallery,
  otherSubscription,
  source,
  startAzure,
  type EmulatedAzure,
} from './emulated-azure.ts';

let cloud: EmulatedAzure;
beforeEach(async () => {
  cloud = await startAzure();
});
afterEach(() => cloud[Symbol.asyncDispose]());

const request = { name: 'web-1', family: 'web', version: '1', staged: true, source };

/** The names of what stands of a kind. */
function standing(kind: 'versions' | 'images' | 'disks' | 'snapshots'): string[] {
  const own = new RegExp(`/galleries/[^/]+/images/[^/]+/versions/|/galleries/.*/images/|/${kind}/`);
  return cloud.emulator
    .ids()
    .filter((id) => own.test(id) && id.split('/').at(-2) === kind)
    .filter((id) => !id.endsWith('Microsoft.Compute/images/base'));
}

/** What can get lost, and how often it may: the adapter asks again. */
const losses = [
  ['GalleryImages.CreateOrUpdate', 'after'],
  ['GalleryImages.CreateOrUpdate', 'before'],
  ['GalleryImageVersions.CreateOrUpdate', 'after'],
  ['GalleryImageVersions.CreateOrUpdate', 'before'],
  ['GalleryImageVersions.Get', 'after'],
  ['GalleryImageVersions.ListByGalleryImage', 'after'],
  ['Operations.Get', 'after'],
] as const;

describe('an answer that gets lost', () => {
  it.each(losses)('of %s, %s its effect, leaves one image', async (rpc, when) => {
    const provider = await cloud.provider();
    const fault = cloud.emulator.faults.add({ rpc, kind: 'drop', when });
    const image = await provider.images.create({ ...request, idempotencyKey: 'one' });
    expect(fault.struck).toBe(1);
    expect(standing('versions')).toEqual([image.ref.id]);
    expect(image).toMatchObject({ status: 'READY', labels: {}, name: 'web-1' });
  });

  it('without a key of the caller leaves one image, too', async () => {
    const provider = await cloud.provider();
    cloud.emulator.faults.add({
      rpc: 'GalleryImageVersions.CreateOrUpdate',
      kind: 'drop',
      when: 'after',
    });
    await provider.images.create(request);
    expect(standing('versions')).toHaveLength(1);
    await expect(provider.images.create(request)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  });

  it('leaves one disk, one snapshot, and takes them all away', async () => {
    const { disks, snapshots, images } = await cloud.provider();
    const faults = [
      'Disks.CreateOrUpdate',
      'Snapshots.CreateOrUpdate',
      'Disks.Delete',
      'GalleryImageVersions.Update',
      'GalleryImageVersions.Delete',
    ].map((rpc) => cloud.emulator.faults.add({ rpc, kind: 'drop', when: 'after' }));
    const disk = await disks?.create({ name: 'data', sizeBytes: 2 ** 30 });
    await snapshots?.create({ name: 'backup', disk: disk?.id ?? '' });
    expect(standing('disks')).toEqual([disk?.id]);
    expect(standing('snapshots')).toHaveLength(1);
    await disks?.delete(disk?.id ?? '');
    const { ref } = await images.create(request);
    expect((await images.update(ref.id, { labels: { team: 'web' } })).labels).toEqual({
      team: 'web',
    });
    await images.delete(ref.id);
    expect([...standing('disks'), ...standing('versions')]).toEqual([]);
    expect(faults.map(({ struck }) => struck)).toEqual([1, 1, 1, 1, 1]);
  });

  it('because of too many calls is asked for again when Azure says', async () => {
    const provider = await cloud.provider();
    const slept: number[] = [];
    const clock = {
      now: () => Date.now() + slept.reduce((sum, ms) => sum + ms, 0),
      sleep: (ms: number) => {
        slept.push(ms);
        return Promise.resolve();
      },
    };
    const patient = await cloud.provider({ clock });
    const { ref } = await provider.images.create(request);
    cloud.emulator.faults.add({
      rpc: 'GalleryImageVersions.Get',
      kind: 'status',
      status: 429,
      retryAfterSeconds: 17,
    });
    expect((await patient.images.get(ref.id)).name).toBe('web-1');
    expect(slept).toEqual([17_000]);
  });
});

describe('an answer that gets lost on the way to other regions, other people, or back', () => {
  it('leaves each change made once', async () => {
    const { emulator } = cloud;
    const properties = {
      sharingProfile: { permissions: 'Groups' },
      softDeletePolicy: { isSoftDeleteEnabled: true },
    };
    emulator.seed(gallery, { properties });
    emulator.addMarketplaceImage({ publisher: 'acme', offer: 'os', sku: '1', version: '1.0.0' });
    const provider = await cloud.provider({ shareBy: 'direct' });
    const { images, sharing } = provider;
    if (!isAzureImages(images)) throw new Error('they are Azure’s');
    const lose = (rpc: string) => emulator.faults.add({ rpc, kind: 'drop', when: 'after' });

    const bought = { provider: 'azure', id: 'acme:os:1:latest' };
    const disk = [lose('Disks.CreateOrUpdate'), lose('Disks.Delete')];
    const { ref } = await images.create({ ...request, source: { kind: 'image', image: bought } });
    expect([standing('versions'), standing('disks')]).toEqual([[ref.id], []]);

    const regions = lose('GalleryImageVersions.Update');
    await images.replication.change(ref.id, { set: ['westus'] });
    expect((await images.replication.status(ref.id)).regions).toHaveLength(2);

    const share = lose('GallerySharingProfile.Update');
    const them = { kind: 'project', id: otherSubscription } as const;
    await sharing?.grant(ref.id, [them], { allowWider: true });
    const grants = [];
    for await (const grant of sharing?.list(ref.id) ?? []) grants.push(grant.principal);
    expect(grants).toEqual([them]);

    await images.delete(ref.id);
    const restored = lose('GalleryImageVersions.Update');
    expect((await images.deleted.restore(ref.id)).status).toBe('READY');
    expect(standing('versions')).toEqual([ref.id]);
    expect([...disk, regions, share, restored].map(({ struck }) => struck)).toEqual([
      1, 1, 1, 1, 1,
    ]);
  });
});

describe('two processes', () => {
  it('that make the same image at the same time make one', async () => {
    const [one, two] = await Promise.all([cloud.provider(), cloud.provider()]);
    for (const version of ['1', undefined, 'bookworm']) {
      const name = `web-${version}`;
      const same = { ...request, version, name, idempotencyKey: 'same' };
      const before = standing('versions').length;
      const [a, b] = await Promise.all([one.images.create(same), two.images.create(same)]);
      expect(a.ref).toEqual(b.ref);
      expect(standing('versions')).toHaveLength(before + 1);
    }
  });

  it('that make other images of a family at the same time make all', async () => {
    const [one, two] = await Promise.all([cloud.provider(), cloud.provider()]);
    const names = ['a', 'b', 'c', 'd'];
    const made = await Promise.all(
      names.map((name, index) => {
        const { images } = index % 2 === 0 ? one : two;
        return images.create({ name, family: 'web', source, idempotencyKey: name });
      }),
    );
    expect(new Set(made.map((image) => image.ref.id)).size).toBe(4);
    expect(standing('versions')).toHaveLength(4);
  });

  it('of which one stays behind its list end with one image', async () => {
    // What the slower of two processes leaves that chose another number for the same image.
    const provider = await cloud.provider();
    const same = { name: 'web-9', family: 'web', source, idempotencyKey: 'same' };
    const first = await provider.images.create(same);
    const body = cloud.emulator.resource(first.ref.id) ?? {};
    const late = first.ref.id.replace(/[^/]+$/, '9.9.9');
    cloud.emulator.seed(late, { ...body, id: late, name: '9.9.9' });
    const rest = { name: 'web-9', key: JSON.parse(JSON.stringify(body['tags']))['imgkit-key'] };
    const token = { call: 'images.create', operation: null, target: late, rest };
    const text = `azure:${Buffer.from(JSON.stringify(token)).toString('base64url')}`;
    expect(await provider.resume(text)).toMatchObject({ ref: first.ref });
    expect(standing('versions')).toEqual([first.ref.id]);
  });
});

describe('an image that another process has overwritten', () => {
  it('is not taken for the own one', async () => {
    const provider = await cloud.provider();
    const { ref } = await provider.images.create({ ...request, idempotencyKey: 'theirs' });
    const rest = { name: 'web-1', key: 'mine' };
    const token = { call: 'images.create', operation: null, target: ref.id, rest };
    const text = `azure:${Buffer.from(JSON.stringify(token)).toString('base64url')}`;
    await expect(provider.resume(text)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    expect(standing('versions')).toEqual([ref.id]);
  });
});
