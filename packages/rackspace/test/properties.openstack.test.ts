import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';

import { ask, diskFile, kitOf, missing, openstack, providerOf, scratch } from './openstack.ts';

/** What others keep on their images, with names and values that ask for trouble. */
const foreign: Readonly<Record<string, string>> = {
  'acme/team~x': 'infra',
  '~1/~0': 'not a pointer',
  'acme:owner': 'a: b',
  'with space & more?': 'yes',
  Ünïcode: 'ÄÖÜ ✓',
  note: '',
  long: 'x'.repeat(2_000),
  os_distro: 'debian',
  os_version: '12',
  os_type: 'linux',
  hw_disk_bus: 'virtio',
  hw_qemu_guest_agent: 'yes',
  image_family: 'somebody-else',
  'com.rackspace__1__options': '0',
  org_openstack: 'in:a,b',
  imgkit: 'not ours',
  'imgkit-label': 'nor this',
  // Of a version of ours that isn't there yet.
  'imgkit:from-the-future': 'kept',
};
const tags = ['keep', 'with space', 'a=b'];

const image = z.looseObject({ tags: z.array(z.string()) });

/** The image beside the adapter, without what its own calls are there to change. */
async function left(id: string): Promise<Record<string, unknown>> {
  const found = image.parse(await (await ask('images', 'image', `/v2/images/${id}`)).json());
  // Glance doesn't tell the stores of what is deactivated.
  const own =
    /^(?:imgkit:(?!from-the-future).*|description|updated_at|visibility|os_hidden|status|stores)$/;
  return {
    ...Object.fromEntries(Object.entries(found).filter(([name]) => !own.test(name))),
    tags: found.tags.toSorted(),
  };
}

/** Changes properties beside the adapter. */
async function patch(id: string, values: Readonly<Record<string, unknown>>): Promise<void> {
  const body = Object.entries(values).map(([name, value]) => ({
    op: 'add',
    path: `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`,
    value,
  }));
  const headers = { 'content-type': 'application/openstack-images-v2.1-json-patch' };
  const init = { method: 'PATCH', headers, body: JSON.stringify(body) };
  const response = await ask('images', 'image', `/v2/images/${id}`, init);
  expect(response.status, await response.clone().text()).toBe(200);
}

/** An image with all of that, and everybody who may do something with it. */
async function world() {
  const kit = await kitOf(providerOf('images'), providerOf('consumer-a'));
  const provider = kit.providers.require('images', 'transfer');
  const { sharing, deprecation, usage } = provider;
  if (sharing === undefined || deprecation === undefined || usage === undefined)
    throw new Error('a capability is missing');
  const consumer = kit.providers.require('consumer-a', 'sharing');
  const run = `t-${randomBytes(4).toString('hex')}`;
  const directory = await scratch();
  const file = await diskFile(join(directory, 'disk.raw'));
  const request = { source: { kind: 'file', file }, labels: { 'imgkit-run': run } } as const;
  const create = async (name: string, more: object = {}) => {
    const made = await provider.images.create({ ...request, name: `${run}-${name}`, ...more });
    onTestFinished(async () => provider.images.delete(made.ref.id));
    return made.ref;
  };
  const ref = await create('a', { family: run, staged: true, version: '1' });
  const other = await create('b', { family: run, version: '2' });
  await patch(ref.id, { ...foreign, tags, min_ram: 64, min_disk: 1 });
  const capabilities = { sharing, deprecation, usage };
  return { kit, provider, capabilities, consumer, run, directory, create, ref, other };
}

describe.skipIf(missing !== undefined)('what others keep on an image', () => {
  it('is there, unchanged, after every call of every capability', async () => {
    const { kit, provider, capabilities, consumer, run, directory, create, ref, other } =
      await world();
    const { images } = provider;
    const { sharing, deprecation, usage } = capabilities;
    const { id } = ref;
    const before = await left(id);
    expect(before).toMatchObject({ ...foreign, min_ram: 64, min_disk: 1 });
    const project = { kind: 'project', id: consumer.project } as const;
    const dates = { deprecated: '2026-01-01T00:00:00Z', obsolete: '2027-01-01T00:00:00Z' };
    const calls: Readonly<Record<string, () => Promise<unknown>>> = {
      update: () => images.update(id, { labels: { a: '1', b: '2' }, description: 'new' }),
      'remove a label': () => images.update(id, { labels: { a: null } }),
      'two writers': () =>
        Promise.all([
          images.update(id, { labels: { c: '3' } }),
          images.update(id, { labels: { d: '4' } }),
          kit.images.get(ref),
        ]),
      publish: () => kit.families.publish(ref),
      'point a channel at it': () => kit.families.channels.set('images', run, 'prod', ref),
      'move the channel': () => kit.families.channels.set('images', run, 'prod', other),
      deprecate: () => deprecation.set(id, { state: 'DEPRECATED', replacement: other, dates }),
      'make obsolete': () => deprecation.set(id, { state: 'OBSOLETE', replacement: other }),
      'mark deleted': () => deprecation.set(id, { state: 'DELETED' }),
      'make active': () => deprecation.set(id, { state: 'ACTIVE' }),
      withdraw: () => kit.families.withdraw(ref),
      share: () => sharing.grant(id, [project]),
      accept: async () => consumer.sharing.accept?.(id),
      'use elsewhere': () => consumer.images.get(id),
      reject: async () => consumer.sharing.reject?.(id),
      'share with everyone': () => sharing.grant(id, [{ kind: 'everyone' }]),
      'take it back from everyone': () => sharing.revoke(id, [{ kind: 'everyone' }]),
      revoke: () => sharing.revoke(id, [project]),
      'see who uses it': () => usage.of(id),
      export: async () =>
        provider.transfer.export({ image: id, to: join(directory, 'copy'), format: 'raw' }),
      copy: () => create('copy', { source: { kind: 'image', image: ref } }),
      'fail to change it': () =>
        images.update(id, { labels: { 'not/ours': 'x' } }).catch(() => undefined),
      'fail to change it elsewhere': () =>
        consumer.images.update(id, { labels: { a: '9' } }).catch(() => undefined),
    };
    for (const [name, call] of Object.entries(calls)) {
      await call();
      expect(await left(id), name).toEqual(before);
    }
    const { labels, description } = await images.get(id);
    expect(labels).toEqual({ 'imgkit-run': run, b: '2', c: '3', d: '4' });
    expect(description).toBe('new');
  });

  it('is there when somebody else writes at the same time', async () => {
    const { provider, ref } = await world();
    const before = await left(ref.id);
    await Promise.all([
      provider.images.update(ref.id, { labels: { e: '5' } }),
      patch(ref.id, { 'acme/late': 'too' }),
      provider.images.update(ref.id, { labels: { f: '6' } }),
    ]);
    expect((await provider.images.get(ref.id)).labels).toMatchObject({ e: '5', f: '6' });
    const { 'acme/late': late, ...after } = await left(ref.id);
    expect(after).toEqual(before);
    // Glance itself may have lost that: it writes whole images.
    expect([undefined, 'too']).toContain(late);
  });

  it('goes along to copies, but for what is the life of the one image', async () => {
    const { provider, create, ref } = await world();
    const copy = await create('c', { source: { kind: 'image', image: ref } });
    const { 'imgkit:from-the-future': _, ...copied } = foreign;
    const { native } = await provider.images.get(copy.id);
    expect(native).toMatchObject({ ...copied, min_ram: 64, min_disk: 1 });
    expect(native).not.toHaveProperty('imgkit:from-the-future');
  });

  it('is there after a server of the image was captured', async ({ skip }) => {
    skip(openstack().environment['WITH_COMPUTE'] === '0', 'this OpenStack has no Nova');
    const { provider, run, create, ref } = await world();
    // The names that Nova takes for metadata are fewer.
    const before = await left(ref.id);
    const server = { name: run, imageRef: ref.id, flavorRef: 'tiny', networks: 'none' };
    const headers = {
      'content-type': 'application/json',
      'openstack-api-version': 'compute 2.45',
    };
    const body = JSON.stringify({ server });
    const made = await ask('images', 'compute', '/servers', { method: 'POST', headers, body });
    const answer = z.object({ server: z.object({ id: z.string() }) }).parse(await made.json());
    const { id } = answer.server;
    onTestFinished(async () => {
      await ask('images', 'compute', `/servers/${id}`, { method: 'DELETE' });
    });
    await expect
      .poll(async () => (await ask('images', 'compute', `/servers/${id}`)).text(), {
        timeout: 60_000,
      })
      .toMatch(/"status": "(?:ACTIVE|ERROR)"/);
    const source = { kind: 'instance', instance: id, whenRunning: 'flush' } as const;
    const captured = await create('captured', { source });
    const { native } = await provider.images.get(captured.id);
    expect(native).toMatchObject({ os_distro: 'debian', hw_disk_bus: 'virtio' });
    expect(await left(ref.id)).toEqual(before);
  });
});
