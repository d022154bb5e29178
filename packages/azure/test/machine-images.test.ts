import type { Provider } from '@imgkit/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { isAzureMachineImages } from '../src/index.ts';
import { source, startAzure, type EmulatedAzure } from './emulated-azure.ts';

let cloud: EmulatedAzure;
let provider: Provider;
let instance: string;

beforeEach(async () => {
  cloud = await startAzure();
  provider = await cloud.provider();
  const image = await provider.images.create({ name: 'web-1', source });
  const launched = await partsOf(provider).instances.launch({
    name: 'web',
    boot: { kind: 'image', image: image.ref },
    machineType: 'Standard_D2s_v5',
    disks: [{ sizeBytes: 2 ** 30 }, { sizeBytes: 2 ** 31 }],
    metadata: { role: 'web', tier: 'front' },
    startupScript: '#!/bin/sh\necho hush',
  });
  instance = launched.id;
});
afterEach(() => cloud[Symbol.asyncDispose]());

function partsOf({ machineImages, instances }: Provider) {
  if (!isAzureMachineImages(machineImages) || instances === undefined)
    throw new Error('these are not Azure’s');
  return { machineImages, instances };
}

const standing = (kind: string) =>
  cloud.emulator.ids().filter((id) => id.split('/').at(-2) === kind);

describe('a machine image', () => {
  it('is a restore point in a collection of its own, once for its key, and tells no secrets', async () => {
    const { machineImages } = partsOf(provider);
    const faults = ['RestorePointCollections.CreateOrUpdate', 'RestorePoints.Create'].map((rpc) =>
      cloud.emulator.faults.add({ rpc, kind: 'drop', when: 'after' }),
    );
    const request = { name: 'backup', instance, labels: { team: 'web' }, idempotencyKey: 'one' };
    const made = await machineImages.create({ ...request, consistency: 'application' });
    expect(faults.map(({ struck }) => struck)).toEqual([1, 1]);
    expect(made).toMatchObject({
      name: 'backup',
      status: 'READY',
      instance,
      labels: { team: 'web' },
      machineType: 'Standard_D2s_v5',
      disks: [{ boot: true }, { boot: false, sizeBytes: 2 ** 30 }, { sizeBytes: 2 ** 31 }],
      native: { consistencyMode: 'FileSystemConsistent' },
    });
    expect((await machineImages.create(request)).id).toBe(made.id);
    expect(standing('restorePoints')).toEqual([made.id]);
    expect(JSON.stringify(made)).not.toMatch(/hush|aHVzaA|customData/);
  });

  it('leaves out the disks that it shall', async () => {
    const { machineImages, instances } = partsOf(provider);
    const [, data] = (await instances.get(instance)).disks;
    const providerOptions = { excludeDisks: [data?.id ?? ''] };
    const made = await machineImages.create({ name: 'backup', instance, providerOptions });
    expect(made.disks.map(({ sizeBytes }) => sizeBytes)).toEqual([2 ** 30, 2 ** 31]);
    const wrong = { name: 'other', instance, providerOptions: { surprise: 1 } };
    await expect(machineImages.create(wrong)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('that can’t be taken leaves nothing', async () => {
    const { machineImages } = partsOf(provider);
    cloud.emulator.faults.add({
      rpc: 'RestorePoints.Create',
      kind: 'operation-error',
      code: 'InternalOperationError',
    });
    await expect(machineImages.create({ name: 'backup', instance })).rejects.toMatchObject({
      code: 'OPERATION_FAILED',
      providerCode: 'InternalOperationError',
    });
    expect(standing('restorePointCollections')).toEqual([]);
  });

  it('goes alone where others are in its collection', async () => {
    const { machineImages } = partsOf(provider);
    const { id } = await machineImages.create({ name: 'backup', instance });
    const theirs = id.replace(/[^/]+$/, 'theirs');
    cloud.emulator.seed(theirs, { properties: { provisioningState: 'Succeeded' } });
    await machineImages.delete(id);
    expect(standing('restorePoints')).toEqual([theirs]);
  });
});

describe('a restored machine', () => {
  it('has the disks and the configuration of the first one, but for what is asked for', async () => {
    const { machineImages, instances } = partsOf(provider);
    const { id } = await machineImages.create({ name: 'backup', instance });
    await instances.delete(instance);
    const request = { machineImage: id, name: 'again', idempotencyKey: 'again' };
    const again = await machineImages.restore(request);
    expect(again).toMatchObject({
      status: 'RUNNING',
      machineType: 'Standard_D2s_v5',
      metadata: { role: 'web', tier: 'front' },
    });
    expect(again.disks.map(({ sizeBytes }) => sizeBytes)).toEqual([2 ** 30, 2 ** 30, 2 ** 31]);
    expect((await machineImages.restore(request)).id).toBe(again.id);
    expect(standing('virtualMachines')).toHaveLength(1);
    const other = await machineImages.restore({
      machineImage: id,
      name: 'other',
      machineType: 'Standard_D4s_v5',
      metadata: { role: 'other' },
      labels: { team: 'b' },
    });
    expect(other).toMatchObject({
      machineType: 'Standard_D4s_v5',
      metadata: { role: 'other' },
      labels: { team: 'b' },
    });
    const disk = { disks: [{ sizeBytes: 1 }] };
    await expect(machineImages.restore({ ...request, ...disk })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
  });

  it('that can’t be made takes its disks away, and nobody else’s', async () => {
    const { machineImages } = partsOf(provider);
    const { id } = await machineImages.create({ name: 'backup', instance });
    const before = standing('disks');
    cloud.emulator.faults.add({
      rpc: 'VirtualMachines.CreateOrUpdate',
      kind: 'operation-error',
      code: 'AllocationFailed',
    });
    const failing = machineImages.restore({ machineImage: id, name: 'again' });
    await expect(failing).rejects.toMatchObject({ providerCode: 'AllocationFailed' });
    expect(standing('disks')).toEqual(before);
    expect(standing('virtualMachines')).toEqual([instance]);
  });
});

describe('a copy in another region', () => {
  it('is told of while it is made, and machines are restored of it there', async () => {
    await using slow = await startAzure({
      operationMs: ({ id }) => (id.endsWith('/restorePoints/copy') ? 80 : 2),
    });
    const { machineImages, instances } = partsOf(await slow.provider());
    const one = await slow.provider();
    const image = await one.images.create({ name: 'web-1', source });
    const boot = { kind: 'image', image: image.ref } as const;
    const web = await instances.launch({ name: 'web', boot });
    const { id } = await machineImages.create({
      name: 'backup',
      instance: web.id,
      labels: { a: 'b' },
    });
    const fractions: number[] = [];
    const copy = machineImages.copy(id, { name: 'copy', location: 'West US' });
    for await (const { fraction = 0 } of copy) fractions.push(fraction);
    const made = await copy;
    expect(made).toMatchObject({
      name: 'copy',
      instance: web.id,
      labels: { a: 'b' },
      status: 'READY',
    });
    expect(fractions.some((fraction) => fraction > 0 && fraction < 1)).toBe(true);
    const restored = await machineImages.restore({ machineImage: made.id, name: 'there' });
    expect(slow.emulator.resource(restored.id)?.['location']).toBe('westus');
    const same = machineImages.copy(id, { name: 'same', location: 'eastus' });
    await expect(same).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
