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
