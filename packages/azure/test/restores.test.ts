import type { Provider } from '@imgkit/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { isAzureMachineImages } from '../src/index.ts';
import { group, refusal, source, startAzure, type EmulatedAzure } from './emulated-azure.ts';

const compute = `${group}/providers/Microsoft.Compute`;
const network = `${group}/providers/Microsoft.Network`;
const subnet = `${network}/virtualNetworks/own/subnets/inside`;
const robot = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/robot`;

let cloud: EmulatedAzure;
let provider: Provider;

beforeEach(async () => {
  cloud = await startAzure();
  provider = await cloud.provider();
  for (const [name, location] of [
    ['own', 'eastus'],
    ['west', 'westus'],
  ] as const) {
    cloud.emulator.seed(`${network}/virtualNetworks/${name}`, { location });
    cloud.emulator.seed(`${network}/virtualNetworks/${name}/subnets/inside`, {});
  }
  cloud.emulator.seed(`${network}/networkSecurityGroups/strict`, { location: 'eastus' });
});
afterEach(() => cloud[Symbol.asyncDispose]());

function partsOf({ machineImages, instances }: Provider) {
  if (!isAzureMachineImages(machineImages) || instances === undefined)
    throw new Error('these are not Azure’s');
  return { machineImages, instances };
}

/** A machine, and a restore point of it. */
async function backup(providerOptions = {}, more: object = {}): Promise<string> {
  const { machineImages, instances } = partsOf(provider);
  const image = await provider.images.create({ name: 'web-1', source });
  const boot = { kind: 'image', image: image.ref } as const;
  const { id } = await instances.launch({ name: 'web', boot, providerOptions, ...more });
  return (await machineImages.create({ name: 'backup', instance: id })).id;
}

const resource = (id: string): any => cloud.emulator.resource(id);
const standing = (kind: string) =>
  cloud.emulator.ids().filter((id) => id.split('/').at(-2) === kind);

describe('a restored machine', () => {
  it('keeps its zone, its network, its identities and its price, unless told otherwise', async () => {
    const machineImage = await backup(
      {
        zone: '2',
        subnet,
        publicAddress: false,
        networkSecurityGroup: `${network}/networkSecurityGroups/strict`,
        acceleratedNetworking: true,
        identities: [robot],
        spot: { maxPrice: 0.1, eviction: 'Deallocate' },
      },
      { ports: [8080], disks: [{ sizeBytes: 2 ** 30 }] },
    );
    const { machineImages, instances } = partsOf(provider);
    const again = await machineImages.restore({ machineImage, name: 'again' });
    expect(resource(again.id)).toMatchObject({
      location: 'eastus',
      zones: ['2'],
      identity: { type: 'UserAssigned', userAssignedIdentities: { [robot]: {} } },
      properties: {
        priority: 'Spot',
        evictionPolicy: 'Deallocate',
        billingProfile: { maxPrice: 0.1 },
      },
    });
    expect(again.disks.map(({ id }) => resource(id).zones)).toEqual([['2'], ['2']]);
    const card = resource(`${network}/networkInterfaces/again-nic`).properties;
    expect(card).toMatchObject({
      enableAcceleratedNetworking: true,
      networkSecurityGroup: { id: expect.stringMatching(/\/strict$/) },
      ipConfigurations: [{ properties: { subnet: { id: subnet } } }],
    });
    expect(card.ipConfigurations[0].properties).not.toHaveProperty('publicIPAddress');
    expect((await instances.endpoint(again.id, 8080)).port).toBe(8080);

    const other = await machineImages.restore({
      machineImage,
      name: 'other',
      providerOptions: { zone: '3', identities: [], publicAddress: true, spot: false },
    });
    expect(resource(other.id)).toMatchObject({ zones: ['3'] });
    expect(resource(other.id)).not.toHaveProperty('identity');
    expect(resource(other.id)).not.toHaveProperty('properties.priority');
    expect(standing('publicIPAddresses')).toEqual([`${network}/publicIPAddresses/other-ip`]);
  });

  it('gets an identity of its own again, and the encryption of its disks, where there were', async () => {
    const machineImage = await backup({ identities: [robot] });
    const { machineImages } = partsOf(provider);
    const web = `${compute}/virtualMachines/web`;
    const set = `${compute}/diskEncryptionSets/keys`;
    const { properties, identity } = resource(web);
    const { osDisk } = properties.storageProfile;
    const managedDisk = { ...osDisk.managedDisk, diskEncryptionSet: { id: set } };
    cloud.emulator.seed(web, {
      location: 'eastus',
      identity: { ...identity, type: 'SystemAssigned, UserAssigned' },
      properties: { ...properties, storageProfile: { osDisk: { ...osDisk, managedDisk } } },
    });
    const later = await machineImages.create({ name: 'later', instance: web });
    const both = await machineImages.restore({ machineImage: later.id, name: 'both' });
    expect(resource(both.id).identity.type).toBe('SystemAssigned, UserAssigned');
    expect(resource(both.disks[0]?.id ?? '').properties.encryption).toEqual({
      diskEncryptionSetId: set,
    });
    const plain = await machineImages.restore({ machineImage, name: 'plain' });
    expect(resource(plain.id).identity.type).toBe('UserAssigned');
  });

  it('gets imgkit’s network again where that was removed, and is refused before any disk where another is no more', async () => {
    const machineImage = await backup({ subnet });
    const { machineImages, instances } = partsOf(provider);
    cloud.emulator.seed(`${network}/virtualNetworks/own`, { location: 'westus' });
    expect(await refusal(machineImages.restore({ machineImage, name: 'again' }))).toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('is in westus'),
    });
    const gone = `${network}/virtualNetworks/gone/subnets/inside`;
    const request = { machineImage, name: 'again', providerOptions: { subnet: gone } };
    expect(await refusal(machineImages.restore(request))).toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('is no more'),
      hint: expect.stringContaining('providerOptions'),
    });
    expect(standing('disks')).toEqual([`${compute}/disks/web-os`]);

    const boot = { kind: 'disk', disk: '' } as const;
    const disk = await provider.disks?.create({ name: 'b', sizeBytes: 2 ** 30 });
    const own = await instances.launch({ name: 'own', boot: { ...boot, disk: disk?.id ?? '' } });
    const held = await machineImages.create({ name: 'held', instance: own.id });
    await instances.delete(own.id);
    // As a user removes it who wants to be rid of it.
    const names = ['virtualNetworks', 'networkSecurityGroups'].map(
      (kind) => `${kind}/imgkit-eastus`,
    );
    for (const name of names)
      await fetch(`${cloud.emulator.endpoint}${network}/${name}?api-version=2024-05-01`, {
        method: 'DELETE',
      });
    while (standing('virtualNetworks').some((id) => id.endsWith('imgkit-eastus')))
      await new Promise((resolve) => setTimeout(resolve, 2));
    const restored = await machineImages.restore({ machineImage: held.id, name: 'own-again' });
    expect(restored.status).toBe('RUNNING');
  });

  it('whose name another machine has leaves that alone, and no disks', async () => {
    const machineImage = await backup();
    const { machineImages } = partsOf(provider);
    const before = [...standing('disks')];
    const tags = resource(`${compute}/virtualMachines/web`).tags;
    const taken = machineImages.restore({ machineImage, name: 'web', labels: { a: 'b' } });
    expect(await refusal(taken)).toMatchObject({ code: 'ALREADY_EXISTS' });
    expect(standing('disks')).toEqual(before);
    expect(resource(`${compute}/virtualMachines/web`).tags).toEqual(tags);
  });

  it('that failed when its maker was gone is made anew', async () => {
    const machineImage = await backup();
    const { machineImages } = partsOf(provider);
    const request = { machineImage, name: 'again', idempotencyKey: 'again' };
    const { id } = await machineImages.restore(request);
    cloud.emulator.seed(id, {
      ...resource(id),
      properties: { ...resource(id).properties, provisioningState: 'Failed' },
    });
    expect((await machineImages.restore(request)).status).toBe('RUNNING');
    expect(standing('disks').filter((disk) => disk.includes('again'))).toHaveLength(1);
  });
});

/** A copy of a restore point in another region. */
async function copyOf(id: string): Promise<string> {
  const { machineImages } = partsOf(provider);
  return (await machineImages.copy(id, { name: 'copy', location: 'West US' })).id;
}

describe('a machine restored in another region', () => {
  it('has a network there, and of the first one what is everywhere', async () => {
    const id = await backup({ zone: '2', subnet, identities: [robot], publicAddress: false });
    const machineImage = await copyOf(id);
    const { machineImages } = partsOf(provider);
    const there = await machineImages.restore({
      machineImage,
      name: 'there',
      machineType: { cpus: 4, memoryBytes: 2 ** 34 },
    });
    expect(there.machineType).toBe('Standard_B4ms');
    expect(resource(there.id)).toMatchObject({
      location: 'westus',
      identity: { type: 'UserAssigned' },
    });
    expect(resource(there.id)).not.toHaveProperty('zones');
    const made = `${network}/virtualNetworks/imgkit-westus`;
    expect(resource(made).location).toBe('westus');
    expect(resource(`${network}/networkInterfaces/there-nic`).properties).toMatchObject({
      ipConfigurations: [{ properties: { subnet: { id: `${made}/subnets/machines` } } }],
    });
    expect(standing('publicIPAddresses')).toEqual([]);
  });

  it('is asked for a subnet there where the provider has one of its own', async () => {
    const machineImage = await copyOf(await backup({ subnet }));
    const { machineImages } = partsOf(await cloud.provider({ subnet }));
    const before = cloud.emulator.ids();
    const refused = [
      [{}, 'INVALID_ARGUMENT', /provider's subnet is in eastus/],
      [{ subnet }, 'FAILED_PRECONDITION', /is in eastus/],
      [{ location: 'eastus' }, 'INVALID_ARGUMENT', /is in westus, not in eastus/],
    ] as const;
    for (const [providerOptions, code, message] of refused)
      expect(
        await refusal(machineImages.restore({ machineImage, name: 'there', providerOptions })),
      ).toMatchObject({ code, message: expect.stringMatching(message), hint: expect.any(String) });
    expect(cloud.emulator.ids()).toEqual(before);
    const west = `${network}/virtualNetworks/west/subnets/inside`;
    const providerOptions = { subnet: west, location: 'West US' };
    const there = await machineImages.restore({ machineImage, name: 'there', providerOptions });
    expect(there.status).toBe('RUNNING');
  });
});
