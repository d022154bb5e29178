import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  createVirtualClock,
  startAzureEmulator,
  type AzureEmulator,
  type JsonObject,
} from '../src/index.ts';

// Restore points over the wire, as Azure documents them: api-version 2026-04-01 of Microsoft.Compute.

const subscription = '00000000-0000-0000-0000-000000000001';
const group = `/subscriptions/${subscription}/resourceGroups/images`;
const compute = `${group}/providers/Microsoft.Compute`;
const machine = `${compute}/virtualMachines/vm-1`;
const set = `${compute}/diskEncryptionSets/keys`;
const collection = `${compute}/restorePointCollections/backup`;
const point = `${collection}/restorePoints/one`;
const clock = createVirtualClock('2026-11-21T09:00:00Z');
let emulator: AzureEmulator;

beforeEach(async () => {
  emulator = await startAzureEmulator({ clock, operationMs: 1000, pageSize: 2 });
  const place = { location: 'eastus' };
  emulator.seed(group, place);
  const disks = ['os', 'a', 'b'].map((name) => `${compute}/disks/${name}`);
  for (const id of disks)
    emulator.seed(id, { ...place, properties: { diskSizeGB: 4, provisioningState: 'Succeeded' } });
  const [os, ...data] = disks;
  emulator.seed(machine, {
    ...place,
    tags: { role: 'web' },
    zones: ['2'],
    properties: {
      provisioningState: 'Succeeded',
      vmId: 'an-id',
      hardwareProfile: { vmSize: 'Standard_B1s' },
      licenseType: 'RHEL_BYOS',
      osProfile: { computerName: 'vm-1', adminPassword: 'hush', customData: 'aHVzaA==' },
      networkProfile: { networkInterfaces: [] },
      storageProfile: {
        osDisk: {
          name: 'os',
          osType: 'Linux',
          diskSizeGB: 4,
          managedDisk: { id: os ?? '', diskEncryptionSet: { id: set } },
        },
        dataDisks: data.map((id, lun) => ({
          lun,
          name: id.split('/').at(-1) ?? '',
          diskSizeGB: 4,
          managedDisk: { id },
        })),
      },
    },
  });
});
afterEach(() => emulator.close());

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: any;
}

async function send(
  method: string,
  path: string,
  body?: JsonObject,
  { query = '', version = '2026-04-01' } = {},
): Promise<Reply> {
  const url = path.startsWith('http')
    ? path
    : `${emulator.endpoint}${path}?api-version=${version}${query}`;
  const answer = await fetch(url, {
    method,
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await answer.text();
  return {
    status: answer.status,
    headers: answer.headers,
    body: text === '' ? {} : JSON.parse(text),
  };
}

/** The end of the operation that an answer tells of, a second later. */
async function settled({ headers }: Reply): Promise<any> {
  await clock.advance(1000);
  return (await send('GET', headers.get('azure-asyncoperation') ?? '')).body;
}

const collect = (id = collection, source = machine, location = 'eastus') =>
  send('PUT', id, { location, tags: { of: 'vm-1' }, properties: { source: { id: source } } });
const take = (id = point, properties: JsonObject = {}) => send('PUT', id, { properties });
const properties = (id: string): any => emulator.resource(id)?.['properties'];
const disksIn = (id: string) =>
  emulator.ids().filter((one) => one.startsWith(`${id}/diskRestorePoints/`));

describe('a restore point', () => {
  it('is of all disks at once, and keeps of the machine what Azure keeps', async () => {
    expect((await collect()).status).toBe(201);
    expect((await collect()).status).toBe(200);
    const begun = await take(point, { consistencyMode: 'CrashConsistent' });
    expect(begun.status).toBe(201);
    expect(begun.body.properties.provisioningState).toBe('Creating');
    expect(await settled(begun)).toMatchObject({ status: 'Succeeded' });
    const { body } = await send('GET', point);
    expect(body).toMatchObject({
      id: point,
      properties: {
        provisioningState: 'Succeeded',
        consistencyMode: 'CrashConsistent',
        timeCreated: expect.stringMatching(/^2026-11-21T09:0/),
        sourceMetadata: {
          hardwareProfile: { vmSize: 'Standard_B1s' },
          licenseType: 'RHEL_BYOS',
          location: 'eastus',
          storageProfile: {
            osDisk: { managedDisk: { diskEncryptionSet: { id: set } } },
            dataDisks: [{ lun: 0 }, { lun: 1 }],
          },
        },
      },
    });
    // Neither the place nor the tags of a restore point are its own; and what is in no metadata is not there.
    for (const field of ['location', 'tags']) expect(body).not.toHaveProperty(field);
    for (const field of ['networkProfile', 'zones', 'identity', 'tags'])
      expect(body.properties.sourceMetadata).not.toHaveProperty(field);
    expect(JSON.stringify(body)).not.toMatch(/hush|aHVzaA/);
    expect(disksIn(point)).toHaveLength(3);
  });

  it('leaves disks out, and lists the others in pages', async () => {
    await collect();
    const excludeDisks = [{ id: `${compute}/DISKS/A` }];
    await settled(await take(point, { excludeDisks }));
    const { storageProfile } = properties(point).sourceMetadata;
    expect(storageProfile.dataDisks).toMatchObject([{ lun: 1, name: 'b' }]);

    await settled(await take(`${collection}/restorePoints/two`));
    const path = `${collection}/restorePoints/two/diskRestorePoints`;
    const first = await send('GET', path, undefined, { version: '2026-03-02' });
    expect(first.body.value).toHaveLength(2);
    const second = await send('GET', first.body.nextLink);
    expect(second.body.value).toHaveLength(1);
    expect(second.body).not.toHaveProperty('nextLink');
    const [{ id }] = second.body.value;
    const disk = await send('GET', id, undefined, { version: '2026-03-02' });
    expect(disk.body.properties.sourceResourceId).toMatch(/\/disks\//);
  });

  it('is listed by its collection only when that is asked for', async () => {
    await collect();
    for (const name of ['two', 'three']) await collect(collection.replace('backup', name));
    await settled(await take());
    expect((await send('GET', collection)).body.properties).not.toHaveProperty('restorePoints');
    const { body } = await send('GET', collection, undefined, { query: '&$expand=restorePoints' });
    expect(body.properties.restorePoints).toMatchObject([{ id: point }]);
    const path = `${compute}/restorePointCollections`;
    const list = await send('GET', path);
    expect(list.body.value.map((one: any) => one.name)).toEqual(['backup', 'three']);
    expect(list.body.value[0].id).toContain('/resourceGroups/IMAGES/');
    const rest = await send('GET', list.body.nextLink);
    expect(rest.body.value.map((one: any) => one.name)).toEqual(['two']);
  });

  it('that fails stands as Failed, and says why where the operation is', async () => {
    await collect();
    emulator.faults.add({ rpc: 'RestorePoints.Create', kind: 'operation-error', code: 'VMAgent' });
    expect(await settled(await take())).toMatchObject({
      status: 'Failed',
      error: { code: 'VMAgent' },
    });
    expect(properties(point).provisioningState).toBe('Failed');
    // Nothing is made of it, nor over it.
    expect(await take()).toMatchObject({ status: 409 });
    const deleted = await send('DELETE', point);
    expect(deleted.status).toBe(202);
    expect(await settled(deleted)).toMatchObject({ status: 'Succeeded' });
    expect(disksIn(point)).toEqual([]);
    expect((await send('DELETE', point)).status).toBe(204);
  });

  it('goes with its collection', async () => {
    await collect();
    await settled(await take());
    const deleted = await send('DELETE', collection);
    expect(await take(`${collection}/restorePoints/late`)).toMatchObject({ status: 409 });
    await settled(deleted);
    expect(emulator.ids().filter((id) => id.startsWith(collection))).toEqual([]);
    expect(await send('GET', point)).toMatchObject({
      status: 404,
      body: { error: { code: 'ResourceNotFound' } },
    });
  });
});

describe('a copy of a restore point', () => {
  const west = `${compute}/restorePointCollections/west`;
  const copy = `${west}/restorePoints/one`;
  const whole = { query: '&$expand=instanceView' };

  it('comes bit by bit, and tells how far each disk is', async () => {
    await collect();
    await settled(await take());
    expect((await collect(west, collection, 'westus')).status).toBe(201);
    const begun = await take(copy, { sourceRestorePoint: { id: point } });
    await clock.advance(400);
    const half = await send('GET', copy, undefined, whole);
    expect(half.body.properties.instanceView.diskRestorePoints).toHaveLength(3);
    expect(half.body.properties.instanceView.diskRestorePoints[0]).toMatchObject({
      replicationStatus: { status: { code: 'ReplicationState/inProgress' }, completionPercent: 40 },
    });
    await settled(begun);
    const done = await send('GET', copy, undefined, whole);
    expect(done.body.properties).toMatchObject({
      provisioningState: 'Succeeded',
      sourceRestorePoint: { id: point },
      sourceMetadata: { location: 'eastus' },
      instanceView: {
        diskRestorePoints: [{ replicationStatus: { completionPercent: 100 } }, {}, {}],
      },
    });
    // Each disk is a copy of that of the source, and stays when that goes.
    const [first = ''] = disksIn(copy);
    expect(properties(first).sourceResourceId).toContain(`${point}/diskRestorePoints/`);
    await settled(await send('DELETE', collection));
    expect(disksIn(copy)).toHaveLength(3);
  });

  it('gives disks in its own region, and in no other', async () => {
    await collect();
    await settled(await take());
    await collect(west, collection, 'westus');
    await settled(await take(copy, { sourceRestorePoint: { id: point } }));
    const restore = (location: string) => {
      const creationData = { createOption: 'Restore', sourceResourceId: disksIn(copy)[0] ?? '' };
      const body = { location, properties: { creationData } };
      return send('PUT', `${compute}/disks/${location}`, body, { version: '2026-03-02' });
    };
    expect((await restore('eastus')).body.error).toMatchObject({ code: 'InvalidParameter' });
    expect(await settled(await restore('westus'))).toMatchObject({ status: 'Succeeded' });
    expect(properties(`${compute}/disks/westus`)).toMatchObject({ diskSizeGB: 4 });
  });

  it.each([
    ['into its own region', () => collect(west, collection), 'InvalidParameter'],
    ['of what is no machine', () => collect(west, `${compute}/disks/os`), 'InvalidParameter'],
    ['of a machine elsewhere', () => collect(west, machine, 'westus'), 'InvalidParameter'],
    [
      'of nothing',
      () => take(copy, { sourceRestorePoint: { id: point } }),
      'ParentResourceNotFound',
    ],
    [
      'of a point where a machine is the source',
      () => take(point, { sourceRestorePoint: { id: point } }),
      'InvalidParameter',
    ],
    ['with another source', () => collect(collection, west), 'PropertyChangeNotAllowed'],
    [
      'with words that Azure lacks',
      () => take(point, { consistencyMode: 'Best' }),
      'InvalidRequestContent',
    ],
  ])('%s is refused as Azure refuses', async (_, call, code) => {
    await collect();
    const { status, body } = await call();
    expect(status).toBeGreaterThanOrEqual(400);
    expect(body.error).toMatchObject({ code, message: expect.any(String) });
    expect(emulator.ids().filter((id) => id.includes('/restorePointCollections/'))).toEqual([
      collection,
    ]);
  });
});
