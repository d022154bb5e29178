import type { Provider, UsageReport } from '@imgkit/core';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';

import { emulatedCloud, type EmulatedCloud } from './emulated-cloud.ts';

// Google's client reads twelve megabytes of description first, which takes a while on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** Projects of domains; Google's filter takes a dot for any character. */
const domainProjects = ['example.com:web', 'exampleXcom:web'];

let cloud: EmulatedCloud;
let provider: Provider;

beforeAll(async () => {
  cloud = await emulatedCloud({ projects: domainProjects });
  ({ provider } = cloud);
});
afterAll(() => cloud[Symbol.asyncDispose]());

async function usageOf(id: string): Promise<UsageReport> {
  const { usage } = provider;
  if (usage === undefined) throw new Error('the provider tells no usage');
  return usage.of(id);
}

it('names all users of an image, in one listing a kind however many there are', async () => {
  cloud.emulator.project('imgkit-test').addImage({ name: 'web-1', family: 'web' });
  cloud.emulator.project('imgkit-test').addImage({ name: 'web-10' });
  const id = 'projects/imgkit-test/global/images/web-1';
  const image = { provider: 'gce', id };
  const source = { kind: 'image', image } as const;
  expect(await usageOf(id)).toEqual({ users: [], complete: true, unanswered: [] });

  const template = { boot: source };
  const [disk, instance, child, fleet] = await Promise.all([
    provider.disks?.create({ name: 'data', source }),
    provider.instances?.launch({ name: 'vm', boot: source }),
    provider.images.create({ name: 'child', source }),
    provider.fleets?.create({ name: 'group', size: 0, template }),
    provider.disks?.create({
      name: 'other',
      source: { kind: 'image', image: { provider: 'gce', id: `${id}0` } },
    }),
  ]);
  const before = cloud.emulator.requests.length;
  const { users, complete } = await usageOf(id);
  const found = users.map((user) => `${user.kind} ${user.id}`).toSorted();
  const fleetTemplate = users.find(({ kind }) => kind === 'template')?.id;
  expect(found).toEqual(
    [
      `disk ${disk?.id}`,
      `disk ${instance?.disks[0]?.id}`,
      `fleet ${fleet?.id}`,
      `image ${child.ref.id}`,
      `instance ${instance?.id}`,
      `template ${fleetTemplate}`,
    ].toSorted(),
  );
  expect(complete).toBe(true);
  const asked = cloud.emulator.requests.slice(before).map(({ rpc = '' }) => rpc);
  expect(asked.toSorted()).toEqual([
    'Disks.AggregatedList',
    'Images.Get',
    'Images.List',
    'InstanceGroupManagers.AggregatedList',
    'InstanceTemplates.AggregatedList',
    'MachineImages.List',
  ]);
});

it('names what has another disk than the boot disk of it', async () => {
  const id = 'projects/imgkit-test/global/images/data-1';
  const { endpoint } = cloud.emulator;
  cloud.emulator.project('imgkit-test').addImage({ name: 'data-1', family: 'data' });
  const post = async (path: string, body: unknown): Promise<void> => {
    const url = `${endpoint}/compute/v1/projects/imgkit-test/${path}`;
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
    expect(answer.status, await answer.text()).toBe(200);
  };
  const disks = (sourceImage: string) => [
    { boot: true, autoDelete: true, initializeParams: { sourceImage: cloud.base.id } },
    { boot: false, autoDelete: true, initializeParams: { sourceImage } },
  ];
  const networkInterfaces = [{ network: 'global/networks/default' }];
  const machine = { machineType: 'e2-small', networkInterfaces };
  for (const [name, image] of [
    ['by-name', id],
    ['by-family', 'projects/imgkit-test/global/images/family/data'],
  ] as const)
    await post('global/instanceTemplates', {
      name,
      properties: { ...machine, disks: disks(image) },
    });
  const instanceTemplate = 'global/instanceTemplates/by-name';
  await post('zones/us-central1-a/instanceGroupManagers', {
    name: 'of-data',
    targetSize: 0,
    instanceTemplate,
  });
  await post('zones/us-central1-a/instances', {
    ...machine,
    name: 'with-data',
    machineType: 'zones/us-central1-a/machineTypes/e2-small',
    disks: disks(id),
  });
  const instance = 'projects/imgkit-test/zones/us-central1-a/instances/with-data';
  await vi.waitFor(
    async () => expect((await provider.instances?.get(instance))?.status).toBe('RUNNING'),
    { timeout: 60_000 },
  );
  const taken = await provider.machineImages?.create({ name: 'with-data', instance });
  const { users, complete } = await usageOf(id);
  expect(complete).toBe(true);
  const found = users
    .filter(({ kind }) => kind !== 'disk')
    .map((user) => `${user.kind} ${user.id}`);
  expect(found.toSorted()).toEqual([
    'fleet projects/imgkit-test/zones/us-central1-a/instanceGroupManagers/of-data',
    `instance ${instance}`,
    `machine-image ${taken?.id}`,
    'template projects/imgkit-test/global/instanceTemplates/by-family',
    'template projects/imgkit-test/global/instanceTemplates/by-name',
  ]);
});

it('looks at the template of a group in another project, or says that it could not', async () => {
  cloud.emulator.project('imgkit-test').addImage({ name: 'lent' });
  const id = 'projects/imgkit-test/global/images/lent';
  const post = async (path: string, body: unknown): Promise<void> => {
    const url = `${cloud.emulator.endpoint}/compute/v1/${path}`;
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
    expect(answer.status, await answer.text()).toBe(200);
  };
  const instanceTemplate = 'projects/imgkit-guest/global/instanceTemplates/theirs';
  await post('projects/imgkit-guest/global/instanceTemplates', {
    name: 'theirs',
    properties: {
      machineType: 'e2-small',
      disks: [{ boot: true, initializeParams: { sourceImage: id } }],
      networkInterfaces: [{ network: 'global/networks/default' }],
    },
  });
  const zone = 'projects/imgkit-test/zones/us-central1-a';
  await post(`${zone}/instanceGroupManagers`, { name: 'lent', targetSize: 0, instanceTemplate });
  const fleet = expect.objectContaining({ id: `${zone}/instanceGroupManagers/lent` });
  expect(await usageOf(id)).toMatchObject({ users: [fleet], complete: true });
  const refusal = { kind: 'status', status: 403, reason: 'forbidden' } as const;
  cloud.emulator.faults.add({ rpc: 'InstanceTemplates.Get', ...refusal });
  expect(await usageOf(id)).toMatchObject({
    complete: false,
    unanswered: [expect.stringMatching(/^templates and fleets/)],
  });
  const group = `${cloud.emulator.endpoint}/compute/v1/${zone}/instanceGroupManagers/lent`;
  await fetch(group, { method: 'DELETE' });
});

it('names the machine images of machines that were made of it', async () => {
  const project = cloud.emulator.project('imgkit-test');
  const id = 'projects/imgkit-test/global/images/saved';
  project.addImage({ name: 'saved' });
  const boot = { kind: 'image', image: { provider: 'gce', id } } as const;
  const { instances, machineImages, disks } = provider;
  if (!instances || !machineImages || !disks) throw new Error('a part is missing');
  const instance = await instances.launch({ name: 'to-save', boot });
  const other = await instances.launch({
    name: 'not-of-it',
    boot: { kind: 'image', image: cloud.base },
  });
  const taken = await machineImages.create({ name: 'of-it', instance: instance.id });
  await machineImages.create({ name: 'not-of-it', instance: other.id });
  const saved = async () =>
    (await usageOf(id)).users.filter(({ kind }) => kind === 'machine-image');
  expect(await saved()).toEqual([
    { kind: 'machine-image', id: taken.id, reason: expect.stringContaining('"of-it"') },
  ]);

  // A disk of the image that is made later has nothing to do with it, whatever its name is.
  const [disk] = other.disks;
  await instances.delete(other.id);
  await disks.create({
    name: disk?.id?.split('/').at(-1) ?? '',
    source: boot,
  });
  expect((await saved()).map((user) => user.id)).toEqual([taken.id]);
});

it('asks for the images of a project with a domain without an escape, and looks again', async () => {
  for (const id of domainProjects) {
    const owner = cloud.emulator.project(id);
    owner.addImage({ name: 'dotted' });
    owner.makePublic();
  }
  const id = 'projects/example.com:web/global/images/dotted';
  const made = await provider.disks?.create({
    name: 'dotted',
    source: { kind: 'image', image: { provider: 'gce', id } },
  });
  await provider.disks?.create({
    name: 'not-dotted',
    source: { kind: 'image', image: { provider: 'gce', id: id.replace('example.', 'exampleX') } },
  });
  expect((await usageOf(id)).users.map((user) => user.id)).toEqual([made?.id]);
  const asked = cloud.emulator.requests.findLast(({ rpc }) => rpc === 'Disks.AggregatedList');
  expect(asked?.query['filter']).toBe(`sourceImage eq ".*/${id}"`);
});

it('has nothing to do with what was made of an earlier image of its name', async () => {
  const images = cloud.emulator.project('imgkit-test');
  images.addImage({ name: 'again' });
  const id = 'projects/imgkit-test/global/images/again';
  const source = { kind: 'image', image: { provider: 'gce', id } } as const;
  await provider.disks?.create({ name: 'of-the-first', source });
  expect((await usageOf(id)).users).toHaveLength(1);
  await provider.images.delete(id);
  images.addImage({ name: 'again' });
  expect((await usageOf(id)).users).toEqual([]);
});

it.each([
  [
    'a refusal',
    'Disks.AggregatedList',
    { kind: 'status', status: 403, reason: 'forbidden' },
    /^disks/,
  ],
  [
    'an unreachable zone',
    'Disks.AggregatedList',
    { kind: 'list-warning', code: 'UNREACHABLE', message: 'us-east1-b is down' },
    /us-east1-b is down/,
  ],
  [
    'a part of a page',
    'InstanceTemplates.AggregatedList',
    { kind: 'list-warning', code: 'PARTIAL_SUCCESS', message: 'not all' },
    /^templates/,
  ],
  [
    'trouble',
    'MachineImages.List',
    { kind: 'status', status: 500, times: Infinity },
    /^machine images/,
  ],
] as const)('%s makes the report incomplete', async (_what, rpc, fault, reason) => {
  cloud.emulator
    .project('imgkit-test')
    .addImage({ name: `asked-${rpc.toLowerCase().replace('.', '-')}-${fault.kind}` });
  const added = cloud.emulator.faults.add({ rpc, ...fault });
  onTestFinished(() => added.remove());
  const id = `projects/imgkit-test/global/images/asked-${rpc.toLowerCase().replace('.', '-')}-${fault.kind}`;
  const report = await usageOf(id);
  expect(report).toMatchObject({ complete: false, unanswered: [expect.stringMatching(reason)] });
});

it('tells the quotas of the project and of the region', async () => {
  cloud.emulator.project('imgkit-test').setQuota('IMAGES', 77);
  const quotas = (await provider.limits?.quotas()) ?? [];
  expect(quotas).toContainEqual(
    expect.objectContaining({ name: 'IMAGES', limit: 77, unit: 'images' }),
  );
  expect(quotas.find(({ name }) => name === 'CPUS in us-central1')).toMatchObject({
    unit: 'processors',
  });
});
