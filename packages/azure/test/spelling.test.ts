import type { ImageSource, Provider } from '@imgkit/core';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { isAzureImages } from '../src/index.ts';
import { group, source, startAzure, type EmulatedAzure } from './emulated-azure.ts';

// Every id comes back in other case, and every region as people read it; the conformance suite runs so, too.

let cloud: EmulatedAzure;
let provider: Provider;
beforeAll(async () => {
  cloud = await startAzure({ spelling: 'other' });
  provider = await cloud.provider({ location: 'EastUS' });
});
afterAll(() => cloud[Symbol.asyncDispose]());

it('answers write ids and regions in another way than they were asked for', async () => {
  const { ref } = await provider.images.create({ name: 'asked', source });
  const answer = await fetch(`${cloud.emulator.endpoint}${ref.id}?api-version=2025-12-03`);
  const { id, location }: Record<string, unknown> = Object(await answer.json());
  expect(id).not.toBe(ref.id);
  expect(String(id).toLowerCase()).toBe(ref.id.toLowerCase());
  expect(location).toBe('East US');
  expect((await provider.images.get(ref.id)).ref).toEqual(ref);
  expect((await provider.images.get(ref.id.toUpperCase())).ref.id.toLowerCase()).toBe(
    ref.id.toLowerCase(),
  );
});

it('what images are made of is told as its own id', async () => {
  const { disks, snapshots, instances, images } = provider;
  const boot = source.kind === 'image' ? source.image : { provider: 'azure', id: '' };
  const disk = await disks?.create({ name: 'disk', source: { kind: 'image', image: boot } });
  const snapshot = await snapshots?.create({ name: 'snapshot', disk: disk?.id ?? '' });
  const first = await images.create({ name: 'first', family: 'web', source });
  const machine = await instances?.launch({
    name: 'vm',
    boot: { kind: 'image', image: first.ref },
  });
  await instances?.stop(machine?.id ?? '');
  const sources: readonly (readonly [ImageSource, string | undefined])[] = [
    [{ kind: 'disk', disk: disk?.id ?? '' }, disk?.id],
    [{ kind: 'snapshot', snapshot: snapshot?.id ?? '' }, snapshot?.id],
    [{ kind: 'image', image: first.ref }, first.ref.id],
    [{ kind: 'instance', instance: machine?.id ?? '' }, machine?.id],
  ];
  for (const [from, id] of sources) {
    const providerOptions = from.kind === 'instance' ? { osState: 'Specialized' } : {};
    const made = await images.create({ name: `of-${from.kind}`, source: from, providerOptions });
    expect(made.origin).toEqual({ kind: from.kind, id });
  }
  expect((await disks?.get(`${group}/providers/Microsoft.Compute/disks/vm-os`))?.instances).toEqual(
    [machine?.id],
  );
});

it('a region is the same one in every form: nothing is changed that is as it should be', async () => {
  const { images } = provider;
  if (!isAzureImages(images)) throw new Error('they are Azure’s');
  const providerOptions = { targetRegions: ['EAST US', 'uk south'] };
  const { ref } = await images.create({ name: 'placed', source, providerOptions });
  await images.replication.change(ref.id, { set: ['UKSOUTH', 'North Europe'], remove: [] });
  await images.replication.change(ref.id, { remove: ['northEurope'] });
  const { regions } = await images.replication.status(ref.id);
  expect(regions.map(({ name }) => name)).toEqual(['eastus', 'uksouth']);
  expect(regions.map(({ state }) => state)).toEqual(['Completed', 'Completed']);
  const gone = images.replication.change(ref.id, { remove: ['East US'] });
  await expect(gone).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

it('a machine image is of its machine, and a restored machine like it, in whatever form ids come', async () => {
  const { images, instances, machineImages } = provider;
  if (!instances || !machineImages) throw new Error('they are Azure’s');
  const image = await images.create({ name: 'whole', source });
  const boot = { kind: 'image', image: image.ref } as const;
  const disks = [{ sizeBytes: 2 ** 30 }];
  const providerOptions = { zone: '2', publicAddress: false };
  const { id } = await instances.launch({ name: 'whole', boot, disks, providerOptions });
  const version = { as: 'imageVersion', whenRunning: 'stop' };
  for (const options of [{}, version]) {
    const request = { name: 'whole-image', instance: id, providerOptions: options };
    const made = await machineImages.create({ ...request, idempotencyKey: 'one' });
    expect(made.instance).toBe(id);
    expect((await machineImages.create({ ...request, idempotencyKey: 'one' })).id).toBe(made.id);
    const listed = [];
    for await (const one of machineImages.list({ instance: id })) listed.push(one.id);
    expect(listed).toEqual([made.id]);
    const users = (await provider.usage?.of(image.ref.id))?.users.map((user) => user.id);
    expect(users).toEqual(expect.arrayContaining([id, made.id]));
    const again = await machineImages.restore({ machineImage: made.id, name: 'again' });
    expect(cloud.emulator.resource(again.id)).toMatchObject({ location: 'eastus', zones: ['2'] });
    expect(again.disks).toHaveLength(2);
    expect(cloud.emulator.ids().filter((one) => one.endsWith('/again-ip'))).toEqual([]);
    await instances.delete(again.id);
    await machineImages.delete(made.id);
    expect(cloud.emulator.ids().filter((one) => /again|whole-image/.test(one))).toEqual([]);
  }
});
