import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  createVirtualClock,
  startAzureEmulator,
  type AzureEmulator,
  type JsonObject,
} from '../src/index.ts';

const subscription = '00000000-0000-0000-0000-000000000001';
const group = `/subscriptions/${subscription}/resourceGroups/images`;
const compute = `${group}/providers/Microsoft.Compute`;
const network = `${group}/providers/Microsoft.Network`;
const definition = `${compute}/galleries/golden/images/web`;
const subnet = `${network}/virtualNetworks/net/subnets/default`;
const machine = `${compute}/virtualMachines/vm-1`;
const clock = createVirtualClock('2026-11-21T09:00:00Z');
let emulator: AzureEmulator;

beforeEach(async () => {
  emulator = await startAzureEmulator({ clock, operationMs: 1000 });
  const place = { location: 'eastus' };
  emulator.seed(group, place);
  emulator.seed(`${compute}/galleries/golden`, place);
  seedDefinition(definition);
  for (const name of ['1.9.0', '1.10.0', '2.0.0'])
    seedVersion(`${definition}/versions/${name}`, { excludeFromLatest: name === '2.0.0' });
  emulator.seed(`${network}/virtualNetworks/net`, place);
  emulator.seed(subnet, {});
});
afterEach(() => emulator.close());

function seedDefinition(id: string, properties: JsonObject = {}): void {
  const told = {
    osType: 'Linux',
    osState: 'Generalized',
    hyperVGeneration: 'V2',
    architecture: 'x64',
  };
  emulator.seed(id, { location: 'eastus', properties: { ...told, ...properties } });
}

function seedVersion(id: string, publishing: JsonObject = {}): void {
  emulator.seed(id, {
    location: 'eastus',
    properties: {
      provisioningState: 'Succeeded',
      publishingProfile: { targetRegions: [{ name: 'East US' }], ...publishing },
      storageProfile: { osDiskImage: { sizeInGB: 4 } },
    },
  });
}

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: any;
}

async function send(
  method: string,
  path: string,
  body?: JsonObject,
  options: { readonly query?: string; readonly headers?: Record<string, string> } = {},
): Promise<Reply> {
  const version = /Microsoft\.Network/.test(path)
    ? '2024-05-01'
    : /\/(?:disks|snapshots)\//.test(path)
      ? '2026-03-02'
      : '2026-04-01';
  const url = path.startsWith('http')
    ? path
    : `${emulator.endpoint}${path}?api-version=${version}${options.query ?? ''}`;
  const answer = await fetch(url, {
    method,
    body: body === undefined ? null : JSON.stringify(body),
    headers: options.headers ?? {},
  });
  const text = await answer.text();
  const isJson = answer.headers.get('content-type')?.includes('json') === true;
  return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(text) : text };
}

const key = { path: '/home/imgkit/.ssh/authorized_keys', keyData: 'ssh-ed25519 AAAA me' };

function machineBody(changes: JsonObject = {}): JsonObject {
  return {
    location: 'eastus',
    tags: { role: 'web' },
    properties: {
      hardwareProfile: { vmSize: 'Standard_B1s' },
      storageProfile: {
        imageReference: { id: definition },
        osDisk: { createOption: 'FromImage', name: 'vm-1-os', deleteOption: 'Delete' },
        dataDisks: [{ lun: 0, createOption: 'Empty', name: 'vm-1-data', diskSizeGB: 8 }],
      },
      osProfile: {
        computerName: 'vm-1',
        adminUsername: 'imgkit',
        customData: Buffer.from('#!/bin/sh\n').toString('base64'),
        linuxConfiguration: { disablePasswordAuthentication: true, ssh: { publicKeys: [key] } },
      },
      networkProfile: {
        networkApiVersion: '2022-11-01',
        networkInterfaceConfigurations: [
          {
            name: 'vm-1-nic',
            properties: {
              deleteOption: 'Delete',
              ipConfigurations: [
                {
                  name: 'one',
                  properties: {
                    subnet: { id: subnet },
                    publicIPAddressConfiguration: {
                      name: 'vm-1-ip',
                      properties: { deleteOption: 'Delete' },
                    },
                  },
                },
              ],
            },
          },
        ],
      },
      diagnosticsProfile: { bootDiagnostics: { enabled: true } },
      ...changes,
    },
  };
}

/** Lets a machine be made, and waits until it runs. */
async function make(changes?: JsonObject): Promise<void> {
  expect((await send('PUT', machine, machineBody(changes))).status).toBe(201);
  await clock.advance(1000);
}

async function act(action: string, given?: JsonObject, query = ''): Promise<Reply> {
  const answer = await send('POST', `${machine}/${action}`, given, { query });
  await clock.advance(1000);
  return answer;
}

async function codes(): Promise<string[]> {
  const { body: view } = await send('GET', `${machine}/instanceView`);
  return view.statuses.map(({ code }: { code: string }) => code);
}

const compute409 = 'OperationNotAllowed';

describe('a machine', () => {
  it('is made with its disks, its interface and its address, of what latest means', async () => {
    const made = await send('PUT', machine, machineBody());
    expect(made.status).toBe(201);
    expect(made.headers.get('azure-asyncoperation')).toContain('/operations/');
    expect(made.body.properties).toMatchObject({
      provisioningState: 'Creating',
      storageProfile: { imageReference: { id: definition, exactVersion: '1.10.0' } },
    });
    expect(JSON.stringify(made.body)).not.toContain('customData');
    await clock.advance(1000);
    const { properties } = (
      await send('GET', machine, undefined, { query: '&$expand=instanceView' })
    ).body;
    expect(properties).toMatchObject({
      provisioningState: 'Succeeded',
      storageProfile: {
        osDisk: { name: 'vm-1-os', diskSizeGB: 4, managedDisk: { id: `${compute}/disks/vm-1-os` } },
      },
      networkProfile: { networkInterfaces: [{ id: `${network}/networkInterfaces/vm-1-nic` }] },
    });
    expect(await codes()).toEqual(['ProvisioningState/succeeded', 'PowerState/running']);
    expect(emulator.resource(`${compute}/disks/vm-1-os`)).toMatchObject({ managedBy: machine });
    const address = (await send('GET', `${network}/publicIPAddresses/vm-1-ip`)).body.properties;
    expect(address.ipAddress).toMatch(/^\d+(?:\.\d+){3}$/);
    expect(emulator.violations).toEqual([]);
  });

  it('takes with it what is said to go with it', async () => {
    await make();
    expect((await send('DELETE', `${compute}/disks/vm-1-os`)).body.error.code).toBe(compute409);
    expect((await send('DELETE', machine)).status).toBe(202);
    await clock.advance(1000);
    const left = emulator.ids().filter((id) => id.includes('vm-1'));
    expect(left).toEqual([`${compute}/disks/vm-1-data`]);
    expect(emulator.resource(left[0] ?? '')).toMatchObject({
      properties: { diskState: 'Unattached' },
    });
    expect((await send('DELETE', machine)).status).toBe(204);
  });

  it('is made only where none stands, when that is asked for', async () => {
    await make();
    const again = await send('PUT', machine, machineBody(), { headers: { 'if-none-match': '*' } });
    expect([again.status, again.body.error.code]).toEqual([412, 'PreconditionFailed']);
    const other = { storageProfile: { imageReference: { id: `${definition}/versions/1.9.0` } } };
    expect((await send('PUT', machine, machineBody(other))).body.error.code).toBe(
      'PropertyChangeNotAllowed',
    );
    expect((await send('PUT', machine, machineBody())).status).toBe(200);
  });

  it('stops, starts, restarts, and tells what it prints', async () => {
    await make();
    await act('powerOff', undefined, '&skipShutdown=true');
    expect(await codes()).toContain('PowerState/stopped');
    await act('start');
    expect(await codes()).toContain('PowerState/running');
    await act('deallocate');
    expect(await codes()).toContain('PowerState/deallocated');
    await act('start');
    await act('restart');
    const { serialConsoleLogBlobUri } = (await act('retrieveBootDiagnosticsData')).body;
    expect((await send('GET', serialConsoleLogBlobUri)).body).toContain('vm-1 boots');
    const [unsigned = ''] = serialConsoleLogBlobUri.split('?');
    expect((await send('GET', unsigned)).status).toBe(403);
  });

  it('runs commands while it runs, and gives what they said', async () => {
    await make();
    const command = { commandId: 'RunShellScript', script: ['date'] };
    const begun = await act('runCommand', command);
    expect(begun.status).toBe(202);
    const operation = await send('GET', begun.headers.get('azure-asyncoperation') ?? '');
    expect(operation.body).toMatchObject({
      status: 'Succeeded',
      properties: { output: { value: [{ message: expect.stringContaining('[stdout]') }] } },
    });
    await act('deallocate');
    expect((await act('runCommand', command)).body.error.code).toBe(compute409);
  });

  it('never starts again once it is generalized', async () => {
    await make();
    expect((await act('generalize')).body.error.code).toBe(compute409);
    await act('deallocate');
    expect((await act('generalize')).status).toBe(200);
    expect(await codes()).toContain('OSState/generalized');
    for (const action of ['start', 'restart'])
      expect((await act(action)).body.error).toMatchObject({
        code: compute409,
        message: expect.stringContaining('since the VM is generalized'),
      });
  });

  it('boots from a disk that stands, which nobody else may use then', async () => {
    await make();
    const storageProfile = {
      osDisk: {
        createOption: 'Attach',
        osType: 'Linux',
        managedDisk: { id: `${compute}/disks/vm-1-os` },
      },
    };
    const other = `${compute}/virtualMachines/vm-2`;
    const { osProfile: _, ...properties } = Object(machineBody()['properties']);
    const wish = { location: 'eastus', properties: { ...properties, storageProfile } };
    expect((await send('PUT', other, wish)).body.error.code).toBe('AttachDiskWhileBeingDetached');
  });

  it.each<readonly [string, JsonObject, string]>([
    ['an unknown size', { hardwareProfile: { vmSize: 'Standard_Huge' } }, 'InvalidParameter'],
    ['no user', { osProfile: { computerName: 'a' } }, 'InvalidParameter'],
    [
      'root',
      { osProfile: { computerName: 'a', adminUsername: 'root', adminPassword: 'x' } },
      'InvalidParameter',
    ],
    [
      'no way to log in',
      { osProfile: { computerName: 'a', adminUsername: 'ann' } },
      'InvalidParameter',
    ],
    ['no network', { networkProfile: {} }, 'InvalidParameter'],
    [
      'a disk that is too small',
      {
        storageProfile: {
          imageReference: { id: definition },
          osDisk: { createOption: 'FromImage', diskSizeGB: 1 },
        },
      },
      'InvalidParameter',
    ],
    ['too much security', { securityProfile: { securityType: 'TrustedLaunch' } }, 'BadRequest'],
    [
      'a size of another architecture',
      { hardwareProfile: { vmSize: 'Standard_D2ps_v5' } },
      'BadRequest',
    ],
  ])('is refused with %s, and nothing of it is made', async (_name, changes, code) => {
    const before = emulator.ids();
    const answer = await send('PUT', machine, machineBody(changes));
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.body.error.code).toBe(code);
    expect(emulator.ids()).toEqual(before);
  });

  it('is refused where its image has not come yet', async () => {
    const west = { ...machineBody(), location: 'westus' };
    expect((await send('PUT', machine, west)).body.error.code).toBe('GalleryImageNotFound');
  });

  it('keeps the users of a specialized image', async () => {
    const special = `${compute}/galleries/golden/images/special`;
    seedDefinition(special, { osState: 'Specialized' });
    seedVersion(`${special}/versions/1.0.0`);
    const storageProfile = {
      imageReference: { id: `${special}/versions/1.0.0` },
      osDisk: { createOption: 'FromImage' },
    };
    const refused = await send('PUT', machine, machineBody({ storageProfile }));
    expect(refused.body.error.message).toContain("'osProfile' is not allowed");
  });
});
