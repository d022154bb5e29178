import type { Image, Instance, Provider } from '@imgkit/core';
import type { EmulatedGuestOutput } from '@imgkit/emulators';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { group, refusal, source, startAzure, type EmulatedAzure } from './emulated-azure.ts';

const compute = `${group}/providers/Microsoft.Compute`;
const network = `${group}/providers/Microsoft.Network`;
const gib = 2 ** 30;
const key = { user: 'ann', publicKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA ann@here' };

let cloud: EmulatedAzure;
let azure: Provider;
let image: Image;
/** What guests answer to commands. */
let guest: EmulatedGuestOutput;

beforeEach(async () => {
  guest = { stdout: '' };
  cloud = await startAzure({ guest: () => guest });
  azure = await cloud.provider();
  image = await azure.images.create({ name: 'web-1', family: 'web', source });
});
afterEach(() => cloud[Symbol.asyncDispose]());

function instances(provider = azure) {
  if (provider.instances) return provider.instances;
  throw new Error('no instances');
}

function launch(
  wishes: Partial<Parameters<ReturnType<typeof instances>['launch']>[0]> = {},
  provider = azure,
) {
  const boot = { kind: 'image', image: image.ref } as const;
  return instances(provider).launch({ name: 'vm-1', boot, authorizedKeys: [key], ...wishes });
}

const sent = (rpc: string): any => cloud.emulator.requests.findLast((one) => one.rpc === rpc)?.body;
const properties = (id: string): any => cloud.emulator.resource(id)?.['properties'];

describe('a machine at Azure', () => {
  it('has all that belongs to it, and takes it along', async () => {
    const made = await launch({ bootDiskSizeBytes: 40 * gib, disks: [{ sizeBytes: 3 * gib }] });
    expect(made).toMatchObject({
      status: 'RUNNING',
      machineType: 'Standard_B2s',
      image: image.ref,
      disks: [
        { id: `${compute}/disks/vm-1-os`, boot: true, sizeBytes: 40 * gib },
        { id: `${compute}/disks/vm-1-data-0`, deleteWithInstance: true },
      ],
    });
    const { host, port, hostKeys } = await instances().endpoint(made.id);
    expect([host, port, hostKeys]).toEqual([
      properties(`${network}/publicIPAddresses/vm-1-ip`).ipAddress,
      22,
      [],
    ]);
    const names = cloud.emulator.ids().filter((id) => id.includes('vm-1'));
    expect(names).toHaveLength(5);
    await instances().delete(made.id);
    expect(cloud.emulator.ids().filter((id) => id.includes('vm-1'))).toEqual([]);
    // The network is made once, and stays for the next one.
    await launch({ name: 'vm-2' });
    const networks = cloud.emulator.requests.filter(
      ({ rpc }) => rpc === 'VirtualNetworks.CreateOrUpdate',
    );
    expect(networks).toHaveLength(1);
  });

  it('lets in the user who is named, others through cloud-init, and never root alone', async () => {
    await launch({ startupScript: '#!/bin/sh\necho hello\n' });
    const { osProfile } = sent('VirtualMachines.CreateOrUpdate').properties;
    expect(osProfile).toMatchObject({
      adminUsername: 'ann',
      linuxConfiguration: {
        disablePasswordAuthentication: true,
        ssh: { publicKeys: [{ path: '/home/ann/.ssh/authorized_keys' }] },
      },
    });
    expect(Buffer.from(osProfile.customData, 'base64').toString()).toBe('#!/bin/sh\necho hello\n');
    const bob = { ...key, user: 'bob' };
    await launch({ name: 'vm-2', authorizedKeys: [key, bob] });
    const two = sent('VirtualMachines.CreateOrUpdate').properties.osProfile;
    expect(Buffer.from(two.customData, 'base64').toString()).toContain('name: bob');
    const root = launch({ name: 'vm-3', authorizedKeys: [{ ...key, user: 'root' }] });
    expect(await refusal(root)).toMatchObject({
      code: 'INVALID_ARGUMENT',
      hint: expect.stringContaining('imgkit'),
    });
    // Nobody at all: Azure wants a key, and gets one that nobody has.
    await launch({ name: 'vm-4', authorizedKeys: [] });
    expect(sent('VirtualMachines.CreateOrUpdate').properties.osProfile).toMatchObject({
      adminUsername: 'imgkit',
    });
  });

  it('boots from a snapshot by a disk of its own, and from a disk that stays', async () => {
    const disks = azure.disks;
    const disk = await disks?.create({ name: 'base', source: { kind: 'image', image: image.ref } });
    const snapshot = await azure.snapshots?.create({ name: 'saved', disk: disk?.id ?? '' });
    const [fromSnapshot, fromDisk] = [
      { kind: 'snapshot', snapshot: snapshot?.id ?? '' },
      { kind: 'disk', disk: disk?.id ?? '' },
    ] as const;
    const one = await launch({ boot: fromSnapshot, labels: { of: 'test' } });
    expect(one.disks[0]).toMatchObject({
      id: `${compute}/disks/vm-1-os`,
      deleteWithInstance: true,
    });
    expect(sent('VirtualMachines.CreateOrUpdate').properties.osProfile).toBeUndefined();
    const two = await launch({ name: 'vm-2', boot: fromDisk });
    expect(two.disks[0]).toMatchObject({ id: disk?.id, deleteWithInstance: false });
    for (const { id } of [one, two]) await instances().delete(id);
    expect(cloud.emulator.ids()).not.toContain(`${compute}/disks/vm-1-os`);
    expect((await disks?.get(disk?.id ?? ''))?.instances).toEqual([]);
  });

  it('is of the smallest size that fits, or of the one that is named', async () => {
    const small = await launch({ machineType: { cpus: 1, memoryBytes: 256 * 2 ** 20 } });
    expect(small.machineType).toBe('Standard_B1ls');
    const larger = await launch({
      name: 'vm-2',
      machineType: { cpus: 2, memoryBytes: 8 * gib },
      providerOptions: { ephemeralOsDisk: 'ResourceDisk' },
    });
    expect(larger.machineType).toBe('Standard_D2ds_v5');
    const huge = launch({ name: 'vm-3', machineType: { cpus: 4096, memoryBytes: gib } });
    expect(await refusal(huge)).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('has the security, the price and the place that are asked for', async () => {
    const providerOptions = { osType: 'Linux', securityType: 'TrustedLaunch' };
    const safe = await azure.images.create({
      name: 'safe-1',
      family: 'safe',
      source,
      providerOptions,
    });
    const boot = { kind: 'image', image: safe.ref } as const;
    await launch({ boot, providerOptions: { spot: { maxPrice: 0.1 }, zone: '2' } });
    expect(sent('VirtualMachines.CreateOrUpdate')).toMatchObject({
      zones: ['2'],
      properties: {
        securityProfile: { securityType: 'TrustedLaunch', uefiSettings: { vTpmEnabled: true } },
        priority: 'Spot',
        billingProfile: { maxPrice: 0.1 },
      },
    });
  });

  it('is reached at its private address, and in the subnet, where that is said', async () => {
    const subnet = `${network}/virtualNetworks/own/subnets/inside`;
    cloud.emulator.seed(subnet, {});
    const inside = await cloud.provider({ subnet, address: 'private' });
    const { id } = await launch({}, inside);
    const { host } = await instances(inside).endpoint(id);
    expect(host).toMatch(/^10\./);
    expect(
      cloud.emulator.ids().filter((one) => /publicIPAddresses|imgkit-eastus/.test(one)),
    ).toEqual([]);
  });

  it('opens further ports in imgkit’s own network', async () => {
    const { id } = await launch({ ports: [8080] });
    expect((await instances().endpoint(id, 8080)).port).toBe(8080);
    const rule = properties(
      `${network}/networkSecurityGroups/imgkit-eastus/securityRules/imgkit-tcp-8080`,
    );
    expect(rule).toMatchObject({ destinationPortRange: '8080', access: 'Allow' });
  });

  it.each([
    ['QuotaExceeded', 409],
    ['SkuNotAvailable', 409],
  ])(
    'that Azure has no room for is refused with %s, and leaves nothing',
    async (reason, status) => {
      cloud.emulator.faults.add({
        rpc: 'VirtualMachines.CreateOrUpdate',
        kind: 'status',
        status,
        reason,
      });
      expect(await refusal(launch())).toMatchObject({
        code: 'QUOTA_EXCEEDED',
        providerCode: reason,
      });
      expect(cloud.emulator.ids().filter((id) => id.includes('vm-1'))).toEqual([]);
    },
  );

  it('that fails while it is made is taken away whole', async () => {
    cloud.emulator.faults.add({
      rpc: 'VirtualMachines.CreateOrUpdate',
      kind: 'operation-error',
      code: 'AllocationFailed',
      message: 'We do not have sufficient capacity for the requested VM size in this region.',
    });
    expect(await refusal(launch())).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      providerCode: 'AllocationFailed',
    });
    expect(cloud.emulator.ids().filter((id) => id.includes('vm-1'))).toEqual([]);
  });
});

/** How often something was done to a machine. */
const called = (rpc: string): number =>
  cloud.emulator.requests.filter((one) => one.rpc === `VirtualMachines.${rpc}`).length;

describe('an image of a machine', () => {
  let machine: Instance;
  beforeEach(async () => {
    machine = await launch();
  });
  const capture = (providerOptions = {}, whenRunning?: 'refuse' | 'stop' | 'flush') =>
    azure.images.create({
      name: 'captured',
      source: { kind: 'instance', instance: machine.id, whenRunning },
      providerOptions,
    });

  it('is made of its boot disk, and does nothing to it that can’t be undone', async () => {
    expect(await refusal(capture())).toMatchObject({ code: 'FAILED_PRECONDITION' });
    const made = await capture({}, 'stop');
    expect(made.origin).toEqual({ kind: 'disk', id: `${compute}/disks/vm-1-os` });
    expect(called('Generalize')).toBe(0);
    expect((await instances().start(machine.id)).status).toBe('RUNNING');
  });

  it('is taken while it runs, after what it had to write, when that is asked for', async () => {
    await capture({}, 'flush');
    expect(sent('VirtualMachines.RunCommand')).toMatchObject({ script: ['sync'] });
    expect((await instances().get(machine.id)).status).toBe('RUNNING');
  });

  it('keeps everything as it is in a specialized one', async () => {
    const made = await capture({ osState: 'Specialized' }, 'stop');
    expect(made.origin).toEqual({ kind: 'instance', id: machine.id });
    const copy = await launch({ name: 'vm-2', boot: { kind: 'image', image: made.ref } });
    expect(sent('VirtualMachines.CreateOrUpdate').properties.osProfile).toBeUndefined();
    expect(copy.status).toBe('RUNNING');
    expect(called('RunCommand') + called('Generalize')).toBe(0);
  });

  it('generalizes the machine only when that is said, and only when it is ready', async () => {
    await instances().stop(machine.id);
    // What is in its guest can't be known any more.
    expect(await refusal(capture({ generalize: true }))).toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('deprovision: false'),
    });
    expect(called('Generalize')).toBe(0);
    const made = await capture({ generalize: true, deprovision: false });
    expect(made.origin).toEqual({ kind: 'instance', id: machine.id });
    expect(called('Generalize')).toBe(1);
    expect(await refusal(instances().start(machine.id))).toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('never starts again'),
    });
    expect((await instances().get(machine.id)).reason).toContain('generalized');
  });

  it('lets the guest take its identity out of itself first', async () => {
    guest = { stdout: 'imgkit-deprovision: begun\n', powersOff: true };
    await capture({ generalize: true });
    const { script } = sent('VirtualMachines.RunCommand');
    expect(script.join('\n')).toContain('waagent -deprovision+user -force');
    const order = cloud.emulator.requests.flatMap(({ rpc = '', method }) =>
      method === 'GET' || !/Machines|Versions/.test(rpc) ? [] : [rpc.split('.')[1]],
    );
    expect(order.slice(-4)).toEqual(['RunCommand', 'Deallocate', 'Generalize', 'CreateOrUpdate']);
  });

  it('lets a guest without Azure’s agent be, which can’t take its identity out of itself', async () => {
    expect(await refusal(capture({ generalize: true }))).toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('no agent'),
    });
    expect(called('Deallocate') + called('Generalize')).toBe(0);
    expect((await instances().get(machine.id)).status).toBe('RUNNING');
  });

  it('doesn’t touch the machine when the name is taken, or its family is of another kind', async () => {
    await azure.images.create({ name: 'captured', source });
    expect(await refusal(capture({ generalize: true }))).toMatchObject({ code: 'ALREADY_EXISTS' });
    expect(called('RunCommand') + called('Deallocate') + called('Generalize')).toBe(0);
  });
});
