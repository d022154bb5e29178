import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Imgkit, Provider } from '@imgkit/core';
import { createMemoryProvider } from '@imgkit/core/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { scratch } from '../../core/test/scratch.ts';
import { isAzureImages, isAzureMachineImages } from '../src/index.ts';
import {
  gallery,
  group,
  refusal,
  source,
  startAzure,
  type EmulatedAzure,
} from './emulated-azure.ts';

// Machine images that are specialized image versions: the other kind, beside restore points.

const compute = `${group}/providers/Microsoft.Compute`;
const robot = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/robot`;
const gib = 2 ** 30;
const as = 'imageVersion';

let cloud: EmulatedAzure;
let kit: Imgkit;
let provider: Provider;
let instance: string;

beforeEach(async () => {
  cloud = await startAzure();
  kit = await cloud.open({ targetRegions: ['westus'] });
  provider = kit.providers.get('azure');
  const image = await provider.images.create({ name: 'web-1', family: 'web', source });
  const made = await parts().instances.launch({
    name: 'vm',
    boot: { kind: 'image', image: image.ref },
    machineType: 'Standard_D2s_v5',
    disks: [{ sizeBytes: gib }, { sizeBytes: 2 * gib }],
    metadata: { role: 'web', tier: 'front' },
    labels: { team: 'web' },
    ports: [8080],
    providerOptions: { zone: '2', identities: [robot], diskSku: 'Premium_LRS' },
  });
  instance = made.id;
});
afterEach(() => cloud[Symbol.asyncDispose]());

function parts(of = provider) {
  const { machineImages, instances, images } = of;
  if (!isAzureMachineImages(machineImages) || instances === undefined || !isAzureImages(images))
    throw new Error('these are not Azure’s');
  return { machineImages, instances, images };
}

const take = (more: object = {}, providerOptions: object = {}) =>
  parts().machineImages.create({
    name: 'backup',
    instance,
    labels: { of: 'vm' },
    providerOptions: { as, whenRunning: 'stop', ...providerOptions },
    ...more,
  });

const resource = (id: string): any => cloud.emulator.resource(id);
const standing = (kind: string) =>
  cloud.emulator.ids().filter((id) => id.split('/').at(-2) === kind);
async function all<T>(list: AsyncIterable<T> | undefined): Promise<T[]> {
  const found: T[] = [];
  for await (const one of list ?? []) found.push(one);
  return found;
}

describe('a machine image that is an image version', () => {
  it('is made once for its key whatever answers get lost, in a definition of its own', async () => {
    const { machineImages } = parts();
    const faults = [
      'VirtualMachines.Deallocate',
      'GalleryImages.CreateOrUpdate',
      'GalleryImageVersions.CreateOrUpdate',
      'GalleryImageVersions.Get',
      'Operations.Get',
    ].map((rpc) => cloud.emulator.faults.add({ rpc, kind: 'drop', when: 'after' }));
    const made = await take({ idempotencyKey: 'one' });
    expect(faults.map(({ struck }) => struck)).toEqual([1, 1, 1, 1, 1]);
    expect(made).toMatchObject({
      id: `${gallery}/images/backup/versions/1.0.0`,
      name: 'backup',
      status: 'READY',
      instance,
      labels: { of: 'vm' },
      machineType: 'Standard_D2s_v5',
      disks: [
        { boot: true, sizeBytes: gib },
        { boot: false, sizeBytes: gib },
        { boot: false, sizeBytes: 2 * gib },
      ],
    });
    expect(await take({ idempotencyKey: 'one' })).toMatchObject({ id: made.id });
    expect(standing('versions').filter((id) => id.includes('backup'))).toEqual([made.id]);
    expect(resource(`${gallery}/images/backup`)).toMatchObject({
      properties: { osState: 'Specialized' },
    });
    // Only where it is asked for: it is a whole copy.
    expect(resource(made.id).properties.publishingProfile).toMatchObject({
      excludeFromLatest: true,
      targetRegions: [{ name: 'East US' }],
    });
    expect(await machineImages.get(made.id)).toEqual(made);
    expect(await refusal(take({ idempotencyKey: 'two' }))).toMatchObject({
      code: 'ALREADY_EXISTS',
    });
  });

  it('is listed and owned with the restore points, and is none of the images', async () => {
    const { machineImages, images } = parts();
    const { id } = await take({ labels: { 'imgkit-owner': 'me' } });
    const point = await machineImages.create({ name: 'point', instance });
    const ids = async (filter = {}) => (await all(machineImages.list(filter))).map((one) => one.id);
    expect(await ids()).toEqual([point.id, id]);
    expect(await ids({ name: 'backup' })).toEqual([id]);
    expect(await ids({ instance })).toEqual([point.id, id]);
    expect(await ids({ labels: { 'imgkit-owner': 'me' } })).toEqual([id]);
    const owned = await all(provider.owned.list({ 'imgkit-owner': 'me' }));
    expect(owned).toMatchObject([{ kind: 'machine-image', id }]);
    expect((await all(images.list())).map(({ name }) => name)).toEqual(['web-1']);
    // Not even by Azure's own idea of the latest.
    expect(await provider.publishing?.head?.('backup')).toBeUndefined();

    await machineImages.delete(id);
    await machineImages.delete(id);
    expect(await ids()).toEqual([point.id]);
    expect(standing('images').filter((one) => one.includes('backup'))).toEqual([]);
  });

  it('can’t be taken for an image, nor an image for it', async () => {
    const { machineImages, images } = parts();
    const { id } = await take({ idempotencyKey: 'one' });
    const { tags } = structuredClone(resource(id));
    const edits = [
      () => images.update(id, { labels: { a: 'b' } }),
      () => provider.publishing?.publish(id, { family: 'backup' }),
      () => provider.deprecation?.set(id, { state: 'OBSOLETE' }),
      () => images.delete(id),
    ];
    for (const edit of edits)
      expect(await refusal(Promise.resolve(edit()))).toMatchObject({
        code: 'FAILED_PRECONDITION',
        message: expect.stringContaining('is a machine image'),
      });
    expect(resource(id).tags).toEqual(tags);
    // Its definition is for it alone: no family, and no image.
    for (const more of [{ family: 'backup' }, {}, { idempotencyKey: 'one' }])
      expect(await refusal(images.create({ name: 'backup', source, ...more }))).toMatchObject({
        code: 'ALREADY_EXISTS',
      });
    // Nor what a process leaves that ended before it made the version.
    const { properties, tags: left } = resource(`${gallery}/images/backup`);
    const identifier = { publisher: 'imgkit', offer: 'golden', sku: 'left' };
    const definition = {
      location: 'eastus',
      tags: left,
      properties: { ...properties, identifier },
    };
    cloud.emulator.seed(`${gallery}/images/left`, definition);
    expect(
      await refusal(
        images.create({ name: 'left', source, providerOptions: { osState: 'Specialized' } }),
      ),
    ).toMatchObject({ message: expect.stringContaining('is the name of a machine image') });
    expect(await refusal(take({ name: 'web' }))).toMatchObject({
      code: 'ALREADY_EXISTS',
      message: expect.stringContaining('is the name of a family'),
    });
    const [image] = await all(images.list());
    const other = image?.ref.id ?? '';
    expect(await refusal(machineImages.get(other))).toMatchObject({ code: 'NOT_FOUND' });
    expect(await refusal(machineImages.delete(other))).toMatchObject({ code: 'NOT_FOUND' });
    expect((await images.get(other)).status).toBe('READY');
  });

  it.each([
    [{ whenRunning: 'refuse' }, 'FAILED_PRECONDITION', 'is running'],
    [{ excludeDisks: [] }, 'INVALID_ARGUMENT', 'excludeDisks'],
    [{ as: 'restorePoint' }, 'INVALID_ARGUMENT', 'whenRunning'],
    [{ targetRegions: ['northeurope'] }, 'INVALID_ARGUMENT', 'lack "eastus"'],
  ])('is refused with %j before anything is made', async (options, code, message) => {
    const before = cloud.emulator.ids();
    expect(await refusal(take({}, options))).toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
    expect(cloud.emulator.ids()).toEqual(before);
    expect((await parts().instances.get(instance)).status).toBe('RUNNING');
  });

  it('is refused of a machine that it could not keep whole, or where everybody could read it', async () => {
    const { instances } = parts();
    const disk = await provider.disks?.create({ name: 'base', sizeBytes: gib });
    const told = await instances.launch({
      name: 'told',
      boot: { kind: 'disk', disk: disk?.id ?? '' },
      startupScript: '#!/bin/sh\necho hush',
    });
    const confined = await refusal(take({ instance: told.id }));
    expect(confined).toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('user data'),
      hint: expect.stringContaining('restore point'),
    });
    expect(JSON.stringify(confined)).not.toContain('hush');

    const west = `${compute}/virtualMachines/west`;
    cloud.emulator.seed(west, { ...resource(instance), id: west, location: 'westus' });
    expect(await refusal(take({ instance: west }))).toMatchObject({ code: 'INVALID_ARGUMENT' });

    const properties = { sharingProfile: { permissions: 'Community' } };
    cloud.emulator.seed(gallery, { properties });
    expect(await refusal(take())).toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('shared with everybody'),
    });
    expect(standing('versions').filter((id) => id.includes('backup'))).toEqual([]);
  });

  it('that fails leaves nothing, and one that takes long is gone on with', async () => {
    const rpc = 'GalleryImageVersions.CreateOrUpdate';
    cloud.emulator.faults.add({ rpc, kind: 'operation-error', code: 'InternalOperationError' });
    expect(await refusal(take())).toMatchObject({ providerCode: 'InternalOperationError' });
    expect(cloud.emulator.ids().filter((id) => id.includes('backup'))).toEqual([]);

    const creation = take();
    const token = (await creation.token()) ?? '';
    const next = await cloud.provider();
    expect(await next.resume(token)).toEqual(await creation);
  });
});

describe('a machine restored of an image version', () => {
  it('has all that its machine had, but for what is asked for', async () => {
    const { machineImages, instances } = parts();
    const { id } = await take();
    await instances.delete(instance);
    const request = { machineImage: id, name: 'again', idempotencyKey: 'again' };
    const again = await machineImages.restore(request);
    expect(again).toMatchObject({
      status: 'RUNNING',
      image: { id },
      machineType: 'Standard_D2s_v5',
      labels: { of: 'vm' },
      metadata: { role: 'web', tier: 'front' },
      disks: [
        { id: `${compute}/disks/again-os`, boot: true, deleteWithInstance: true },
        { id: `${compute}/disks/again-data-0`, sizeBytes: gib, deleteWithInstance: true },
        { id: `${compute}/disks/again-data-1`, sizeBytes: 2 * gib, deleteWithInstance: true },
      ],
    });
    expect(resource(again.id)).toMatchObject({
      zones: ['2'],
      identity: { userAssignedIdentities: { [robot]: {} } },
    });
    expect(resource(again.id).properties).not.toHaveProperty('osProfile');
    expect(resource(`${compute}/disks/again-data-1`)).toMatchObject({
      sku: { name: 'Premium_LRS' },
      properties: { creationData: { galleryImageReference: { id, lun: 1 } } },
    });
    expect((await instances.endpoint(again.id, 8080)).port).toBe(8080);
    expect((await machineImages.restore(request)).id).toBe(again.id);
    expect(standing('virtualMachines')).toEqual([again.id]);
    const other = await machineImages.restore({
      machineImage: id,
      name: 'other',
      machineType: 'Standard_D4s_v5',
      metadata: { role: 'other' },
      labels: { team: 'b' },
      providerOptions: { zone: '1', identities: [], diskSku: 'StandardSSD_LRS' },
    });
    expect(other).toMatchObject({
      machineType: 'Standard_D4s_v5',
      metadata: { role: 'other' },
      labels: { team: 'b' },
    });
    expect(resource(other.id)).toMatchObject({ zones: ['1'] });
    expect(resource(other.id)).not.toHaveProperty('identity');
    await instances.delete(again.id);
    expect(cloud.emulator.ids().filter((one) => one.includes('again'))).toEqual([]);
  });

  it('keeps the security of its machine', async () => {
    const { machineImages, instances } = parts();
    const providerOptions = { securityType: 'TrustedLaunch' };
    const safe = await provider.images.create({ name: 'safe', source, providerOptions });
    const boot = { kind: 'image', image: safe.ref } as const;
    const { id } = await instances.launch({ name: 'safe', boot });
    const made = await take({ instance: id });
    const again = await machineImages.restore({ machineImage: made.id, name: 'again' });
    expect(resource(again.id).properties.securityProfile).toEqual(
      resource(id).properties.securityProfile,
    );
    expect(resource(`${gallery}/images/backup`).properties.features).toEqual([
      { name: 'SecurityType', value: 'TrustedLaunch' },
    ]);
  });

  it.each([
    ['authorizedKeys', [{ user: 'ann', publicKey: 'ssh-ed25519 AAAA ann' }]],
    ['startupScript', '#!/bin/sh'],
    ['userData', '#cloud-config'],
  ])('takes no %s, and says so before anything is made', async (field, value) => {
    const { id } = await take();
    const calls = cloud.emulator.requests.length;
    const request = { machineImage: id, name: 'again', [field]: value };
    expect(await refusal(parts().machineImages.restore(request))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('specialized'),
      hint: expect.stringContaining('userData'),
    });
    expect(cloud.emulator.requests).toHaveLength(calls);
  });

  it('is in any region that the version is in', async () => {
    const { machineImages, images } = parts();
    const { id } = await take({}, { targetRegions: ['eastus', 'westus'] });
    const restore = (name: string, location: string) =>
      machineImages.restore({ machineImage: id, name, providerOptions: { location } });
    const there = await restore('there', 'West US');
    expect(resource(there.id)).toMatchObject({ location: 'westus' });
    expect(resource(there.id)).not.toHaveProperty('zones');
    expect(await refusal(restore('north', 'northeurope'))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      hint: expect.stringContaining('replication.change'),
    });
    const copy = machineImages.copy(id, { name: 'copy', location: 'northeurope' });
    expect(await refusal(copy)).toMatchObject({ code: 'UNSUPPORTED' });
    const { tags } = structuredClone(resource(id));
    await images.replication.change(id, { set: ['northeurope'] });
    expect(resource(id).tags).toEqual(tags);
    expect((await restore('north', 'northeurope')).status).toBe('RUNNING');
  });

  it('that can’t be made leaves nothing', async () => {
    const { id } = await take();
    const before = cloud.emulator.ids();
    const rpc = 'VirtualMachines.CreateOrUpdate';
    cloud.emulator.faults.add({ rpc, kind: 'operation-error', code: 'AllocationFailed' });
    const failing = parts().machineImages.restore({ machineImage: id, name: 'again' });
    expect(await refusal(failing)).toMatchObject({ providerCode: 'AllocationFailed' });
    expect(cloud.emulator.ids()).toEqual(before);
  });

  it('is none where somebody has changed the tags', async () => {
    const { id } = await take();
    cloud.emulator.seed(id, { tags: { 'imgkit-machine-0': null } });
    const { machineImages } = parts();
    expect(await refusal(machineImages.restore({ machineImage: id, name: 'again' }))).toMatchObject(
      { code: 'FAILED_PRECONDITION', hint: expect.stringContaining('by hand') },
    );
    expect((await machineImages.get(id)).instance).toBe(instance);
  });
});

describe('the image of the machine', () => {
  it('is used by its machine images, also when the machine is gone, and stays', async () => {
    const { machineImages, instances, images } = parts();
    const { id } = await take();
    const point = await machineImages.create({ name: 'point', instance });
    await instances.delete(instance);
    const [image] = await all(images.list());
    const ref = image?.ref;
    if (ref === undefined) throw new Error('there is no image');
    const report = await provider.usage?.of(ref.id);
    expect(report?.complete).toBe(true);
    expect(report?.users.map(({ kind, id: user }) => `${kind} ${user}`)).toEqual(
      expect.arrayContaining([`machine-image ${id}`, `machine-image ${point.id}`]),
    );
    const { items } = await kit.deletion.plan({ provider: 'azure' });
    expect(items).toMatchObject([{ ref, decision: 'keep' }]);
    expect(items[0]?.reasons).toContain(
      'machine image "backup" is of a machine that boots from it',
    );
    // What was restored of it is of the machine image.
    const again = await machineImages.restore({ machineImage: id, name: 'again' });
    const users = (await provider.usage?.of(id))?.users.map((user) => user.id);
    expect(users).toContain(again.id);
  });
});

describe('with real machines behind the cloud', () => {
  it('each disk of a restored machine is made of that disk of the first one', async () => {
    const real = createMemoryProvider();
    await using local = await startAzure({ machines: real });
    const azure = await local.provider();
    const { instances, machineImages } = parts(azure);
    const file = join(await scratch(), 'disk.raw');
    await writeFile(file, Buffer.alloc(2 ** 20, 7));
    const base = `${gallery}/images/base/versions/1.0.0`;
    await local.emulator.importVersion(base, { file, location: 'eastus' });
    const boot = { kind: 'image', image: { provider: 'azure', id: base } } as const;
    const { id } = await instances.launch({ name: 'vm', boot, disks: [{ sizeBytes: gib }] });
    await instances.stop(id);
    const before = (await all(real.images.list())).map(({ name }) => name);
    const held = await machineImages.create({
      name: 'held',
      instance: id,
      providerOptions: { as },
    });
    const made = (await all(real.images.list())).filter(({ name }) => !before.includes(name));
    // The boot disk by way of its machine, the other one by itself.
    const [own, ...others] = await all(real.instances.list());
    expect(others).toEqual([]);
    expect(made.map(({ origin }) => origin)).toEqual(
      expect.arrayContaining([
        { kind: 'instance', id: own?.id },
        { kind: 'disk', id: own?.disks[1]?.id },
      ]),
    );
    const again = await machineImages.restore({ machineImage: held.id, name: 'again' });
    const restored = (await all(real.instances.list())).find((one) => one.id !== own?.id);
    const images = [];
    for (const disk of restored?.disks ?? []) images.push((await real.disks.get(disk.id)).image);
    const ofKind = (kind: string) => made.find(({ origin }) => origin?.kind === kind)?.ref;
    expect(images).toEqual([ofKind('instance'), ofKind('disk')]);
    await instances.delete(again.id);
    await machineImages.delete(held.id);
    expect(await all(real.images.list())).toHaveLength(before.length);
  });
});
