import { describe, expect, it } from 'vitest';

import {
  createGceWorld,
  instanceBody,
  operationMs,
  project,
  zone,
} from '../../../test/gce-world.ts';

const minute = 60_000;

describe("machine images, through Google's own client", () => {
  const world = createGceWorld(async (made) => {
    const initializeParams = { diskSizeGb: 5 };
    const disks = [
      { boot: true, autoDelete: true, initializeParams: { sourceImage: 'global/images/base-1' } },
      { deviceName: 'data', autoDelete: true, initializeParams },
    ];
    const metadata = { items: [{ key: 'role', value: 'web' }] };
    const more = { disks, metadata, labels: { a: 'b' }, tags: { items: ['http'] } };
    await made.run('instances', 'insert', { instanceResource: instanceBody('source', more) });
  });
  const sourceInstance = `projects/${project}/zones/${zone}/instances/source`;
  const insert = (name: string, more: object = {}) =>
    world.run('machine_images', 'insert', {
      sourceInstance,
      machineImageResource: { name, sourceInstance, ...more },
    });
  const get = (machineImage: string) => world.read('machine_images', 'get', { machineImage });
  const restore = (name: string, more: object = {}) =>
    world.run('instances', 'insert', {
      sourceMachineImage: `projects/${project}/global/machineImages/backup`,
      instanceResource: { name, ...more },
    });

  it('hold an instance with all its disks', async () => {
    const machineImageResource = {
      name: 'backup',
      guestFlush: true,
      storageLocations: ['eu'],
      labels: { c: 'd' },
    };
    await world.begin('machine_images', 'insert', { sourceInstance, machineImageResource });
    expect((await get('backup'))['status']).toBe('CREATING');
    await world.clock.advance(operationMs);
    expect(await get('backup')).toMatchObject({
      status: 'READY',
      guestFlush: true,
      storageLocations: ['eu'],
      labels: { c: 'd' },
      sourceInstance: expect.stringMatching(/instances\/source$/),
      savedDisks: [
        { sourceDisk: expect.stringMatching(/disks\/source$/) },
        { sourceDisk: expect.stringMatching(/disks\/source-1$/) },
      ],
      instanceProperties: {
        machineType: 'e2-small',
        labels: { a: 'b' },
        tags: { items: ['http'] },
        disks: [
          { boot: true, diskSizeGb: '10' },
          { boot: false, diskSizeGb: '5' },
        ],
      },
    });
  });

  it('are restored, with what the request says instead, also when the instance is gone', async () => {
    await restore('same');
    const same = await world.read('instances', 'get', { instance: 'same' });
    expect(same).toMatchObject({
      status: 'RUNNING',
      labels: { a: 'b' },
      machineType: expect.stringMatching(/us-central1-a\/machineTypes\/e2-small$/),
      metadata: { items: [{ key: 'role', value: 'web' }] },
      sourceMachineImage: expect.stringMatching(/machineImages\/backup$/),
      disks: [
        { boot: true, diskSizeGb: '10', source: expect.stringMatching(/disks\/same$/) },
        { deviceName: 'data', diskSizeGb: '5', source: expect.stringMatching(/disks\/same-1$/) },
      ],
    });
    const metadata = { items: [{ key: 'role', value: 'copy' }] };
    const machineType = `zones/${zone}/machineTypes/custom-4-8192`;
    await restore('other', { machineType, metadata, networkInterfaces: [{}] });
    const other = await world.read('instances', 'get', { instance: 'other' });
    expect(other).toMatchObject({
      machineType: expect.stringMatching(/custom-4-8192$/),
      metadata,
      labels: { a: 'b' },
    });
    expect(JSON.stringify(other)).not.toContain('ONE_TO_ONE_NAT');
    const elsewhere = {
      zone: 'europe-west1-b',
      instanceResource: {
        name: 'elsewhere',
        sourceMachineImage: 'global/machineImages/backup',
        networkInterfaces: [{}],
      },
    };
    await world.run('instances', 'insert', elsewhere);
  });

  it('are taken of one instance every ten minutes', async () => {
    const soon = insert('soon');
    await expect(soon).rejects.toThrow(
      /403.*RESOURCE_OPERATION_RATE_EXCEEDED.*machineImages\/soon/,
    );
    await expect(get('soon')).rejects.toThrow(/not found/);
    await world.clock.advance(10 * minute);
    await insert('later');
    expect((await get('later'))['status']).toBe('READY');
  });

  it.each([
    [
      'an instance that isn’t there',
      { sourceInstance: `zones/${zone}/instances/none` },
      /not found/,
    ],
    ['a place that isn’t one', { storageLocations: ['moon'] }, /storageLocations/],
    ['a bad name', { name: 'Bad' }, /Must be a match/],
    ['the name of another', { name: 'backup' }, /already exists/],
  ])('are refused with %s', async (_, more, message) => {
    const machineImageResource = { name: 'refused', sourceInstance, ...more };
    await expect(world.begin('machine_images', 'insert', { machineImageResource })).rejects.toThrow(
      message,
    );
  });

  it('have labels and a policy of their own, and no family to be in', async () => {
    const { labelFingerprint } = await get('backup');
    const globalSetLabelsRequestResource = { labels: { e: 'f' }, labelFingerprint };
    await world.run('machine_images', 'setLabels', {
      resource: 'backup',
      globalSetLabelsRequestResource,
    });
    expect((await get('backup'))['labels']).toEqual({ e: 'f' });
    const bindings = [{ role: 'roles/compute.admin', members: ['user:ann@acme.com'] }];
    await world.read('machine_images', 'setIamPolicy', {
      resource: 'backup',
      globalSetPolicyRequestResource: { policy: { bindings } },
    });
    const policy = await world.read('machine_images', 'getIamPolicy', { resource: 'backup' });
    expect(policy).toMatchObject({ bindings });
  });

  it('leave what was made of them when they are deleted', async () => {
    await world.run('machine_images', 'delete', { machineImage: 'backup' });
    await expect(get('backup')).rejects.toMatchObject({ httpStatusCode: 404 });
    await expect(restore('late')).rejects.toThrow(/not found/);
    const same = await world.read('instances', 'get', { instance: 'same' });
    expect(same).toMatchObject({ status: 'RUNNING' });
  });
});
