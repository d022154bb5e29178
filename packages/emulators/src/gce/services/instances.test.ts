import { describe, expect, it } from 'vitest';

import {
  createGceWorld,
  instanceBody,
  operationMs,
  project,
  region,
  zone,
} from '../../../test/gce-world.ts';

function limited(seconds: number, instanceTerminationAction: string): object {
  return { scheduling: { maxRunDuration: { seconds }, instanceTerminationAction } };
}

function of(image: string): object {
  return { disks: [{ boot: true, initializeParams: { sourceImage: `global/images/${image}` } }] };
}

describe("instances, through Google's own client", () => {
  const world = createGceWorld();
  const insert = (name: string, more: object = {}) =>
    world.run('instances', 'insert', { instanceResource: instanceBody(name, more) });
  const get = (instance: string) => world.read('instances', 'get', { instance });
  const statusOf = async (instance: string) => (await get(instance))['status'];

  it('are made with their disks, step by step', async () => {
    const instanceResource = instanceBody('steps', {
      labels: { role: 'web' },
      tags: { items: ['http'] },
      metadata: { items: [{ key: 'k', value: 'v' }] },
    });
    await world.begin('instances', 'insert', { instanceResource });
    expect(await statusOf('steps')).toBe('PROVISIONING');
    await world.clock.advance(operationMs / 2);
    expect(await statusOf('steps')).toBe('STAGING');
    await world.clock.advance(operationMs / 2);
    expect(await get('steps')).toMatchObject({
      status: 'RUNNING',
      labels: { role: 'web' },
      machineType: expect.stringMatching(/^https:.*zones\/us-central1-a\/machineTypes\/e2-small$/),
      networkInterfaces: [
        {
          network: expect.stringMatching(/global\/networks\/default$/),
          accessConfigs: [{ type: 'ONE_TO_ONE_NAT', natIP: expect.stringMatching(/^198\.18\./) }],
        },
      ],
      disks: [{ boot: true, autoDelete: true, diskSizeGb: '10', deviceName: 'persistent-disk-0' }],
      scheduling: { provisioningModel: 'STANDARD', automaticRestart: true },
    });
    await world.run('instances', 'delete', { instance: 'steps' });
    await expect(get('steps')).rejects.toMatchObject({ httpStatusCode: 404 });
    await expect(world.read('disks', 'get', { disk: 'steps' })).rejects.toThrow(/not found/);
  });

  it('are stopped, without an address, and started with another', async () => {
    await insert('stops');
    await world.begin('instances', 'stop', { instance: 'stops' });
    expect(await statusOf('stops')).toBe('STOPPING');
    await world.clock.advance(operationMs);
    const stopped = await get('stops');
    expect(stopped).toMatchObject({ status: 'TERMINATED' });
    expect(JSON.stringify(stopped)).not.toContain('"natIP"');
    await world.run('instances', 'stop', { instance: 'stops' });
    await world.run('instances', 'start', { instance: 'stops' });
    await world.run('instances', 'start', { instance: 'stops' });
    const started = await get('stops');
    expect(started).toMatchObject({ status: 'RUNNING', lastStopTimestamp: expect.any(String) });
    expect(JSON.stringify(started)).toContain('"natIP":"198.18.');
  });

  it('are suspended and resumed', async () => {
    await insert('sleeps');
    await world.run('instances', 'suspend', { instance: 'sleeps' });
    expect(await statusOf('sleeps')).toBe('SUSPENDED');
    const again = world.begin('instances', 'suspend', { instance: 'sleeps' });
    await expect(again).rejects.toThrow(/not running/);
    await world.run('instances', 'resume', { instance: 'sleeps' });
    expect(await statusOf('sleeps')).toBe('RUNNING');
    const resumed = world.begin('instances', 'resume', { instance: 'sleeps' });
    await expect(resumed).rejects.toThrow(/not suspended/);
  });

  it('are for those who may', async () => {
    const path = `zones/${zone}/instances/guarded`;
    await insert('guarded');
    const asAnn = async (role: string | undefined, method: string): Promise<number> => {
      const bindings = role === undefined ? [] : [{ role, members: ['user:ann@acme.com'] }];
      world.emulator.project(project).setBindings(bindings);
      const headers = { authorization: `Bearer ${world.emulator.token('user:ann@acme.com')}` };
      const root = `${world.emulator.endpoint}/compute/v1/projects/${project}`;
      return (await fetch(`${root}/${path}`, { method, headers })).status;
    };
    expect(await asAnn(undefined, 'GET')).toBe(403);
    expect(await asAnn('roles/compute.viewer', 'GET')).toBe(200);
    expect(await asAnn('roles/compute.viewer', 'DELETE')).toBe(403);
    expect(await asAnn('roles/compute.instanceAdmin.v1', 'DELETE')).toBe(200);
  });

  it.each([
    ['no disk', { disks: [] }, /At least one disk/],
    ['no boot disk', { disks: [{ initializeParams: {} }] }, /Boot disk must be the first/],
    ['an unknown size', { machineType: `zones/${zone}/machineTypes/huge` }, /cannot be found/],
    ['a size elsewhere', { machineType: 'zones/us-east1-b/machineTypes/e2-small' }, /be found/],
    ['no network', { networkInterfaces: [] }, /network interface/],
    ['a bad name', { name: 'Bad_Name' }, /Must be a match of regex/],
    ['bad labels', { labels: { Role: 'web' } }, /abel/],
    ['bad metadata', { metadata: { items: [{ key: 'a b', value: '' }] } }, /Metadata key/],
    ['bad tags', { tags: { items: ['Http'] } }, /tag/],
    [
      'a missing image',
      { disks: [{ boot: true, initializeParams: { sourceImage: 'global/images/none' } }] },
      /not found/,
    ],
    [
      'a disk smaller than its image',
      {
        disks: [
          { boot: true, initializeParams: { sourceImage: 'global/images/base-1', diskSizeGb: 5 } },
        ],
      },
      /smaller than the image/,
    ],
    [
      'what only UEFI machines have',
      { shieldedInstanceConfig: { enableSecureBoot: true } },
      /UEFI-compatible/,
    ],
  ])('are refused with %s, and leave nothing behind', async (_, more, message) => {
    await expect(insert('bad', more)).rejects.toThrow(message);
    await expect(get('bad')).rejects.toThrow(/not found/);
    await expect(world.read('disks', 'get', { disk: 'bad' })).rejects.toThrow(/not found/);
  });

  it('have names of their own in a zone, and so have their disks', async () => {
    await insert('taken');
    await expect(insert('taken')).rejects.toMatchObject({ httpStatusCode: 409 });
    await world.run('disks', 'insert', { diskResource: { name: 'disk-taken', sizeGb: 1 } });
    await expect(insert('disk-taken')).rejects.toMatchObject({ httpStatusCode: 409 });
    await expect(get('disk-taken')).rejects.toThrow(/not found/);
    const boot = { boot: true, initializeParams: { sourceImage: 'global/images/base-1' } };
    const second = { initializeParams: { diskName: 'disk-taken', diskSizeGb: 1 } };
    await expect(insert('pair', { disks: [boot, second] })).rejects.toMatchObject({
      httpStatusCode: 409,
    });
    await expect(world.read('disks', 'get', { disk: 'pair' })).rejects.toThrow(/not found/);
    const elsewhere = instanceBody('taken', {
      machineType: 'zones/us-central1-b/machineTypes/e2-small',
    });
    await world.run('instances', 'insert', {
      zone: 'us-central1-b',
      instanceResource: elsewhere,
    });
  });

  it('are gone, with their new disks, when their operation fails', async () => {
    const code = 'ZONE_RESOURCE_POOL_EXHAUSTED';
    world.emulator.faults.add({ rpc: 'Instances.Insert', times: 1, kind: 'operation-error', code });
    await expect(insert('fails')).rejects.toThrow(code);
    await expect(get('fails')).rejects.toThrow(/not found/);
    await expect(world.read('disks', 'get', { disk: 'fails' })).rejects.toThrow(/not found/);
  });

  it('end when their time is over, each time they run', async () => {
    await insert('stops-itself', limited(60, 'STOP'));
    await insert('deletes-itself', limited(120, 'DELETE'));
    await world.clock.advance(60_000);
    expect(await statusOf('stops-itself')).toBe('TERMINATED');
    expect(await statusOf('deletes-itself')).toBe('RUNNING');
    await world.clock.advance(60_000);
    await expect(get('deletes-itself')).rejects.toThrow(/not found/);
    await expect(world.read('disks', 'get', { disk: 'deletes-itself' })).rejects.toThrow(/found/);
    await world.run('instances', 'start', { instance: 'stops-itself' });
    expect(await statusOf('stops-itself')).toBe('RUNNING');
    await world.clock.advance(60_000);
    expect(await statusOf('stops-itself')).toBe('TERMINATED');

    const terminationTime = new Date(world.clock.now() + 90_000).toISOString();
    await insert('ends-at', {
      scheduling: { terminationTime, instanceTerminationAction: 'DELETE' },
    });
    expect(await statusOf('ends-at')).toBe('RUNNING');
    await world.clock.advance(90_000);
    await expect(get('ends-at')).rejects.toThrow(/not found/);
  });

  it('change their metadata and labels only for who knows them', async () => {
    await insert('changes');
    const before = await get('changes');
    const { fingerprint } = Object(before['metadata']);
    const items = [{ key: 'a', value: '1' }];
    const setMetadata = (mark: unknown) =>
      world.run('instances', 'setMetadata', {
        instance: 'changes',
        metadataResource: { fingerprint: mark, items },
      });
    await setMetadata(fingerprint);
    await expect(setMetadata(fingerprint)).rejects.toMatchObject({ httpStatusCode: 412 });
    const setLabels = () =>
      world.run('instances', 'setLabels', {
        instance: 'changes',
        instancesSetLabelsRequestResource: {
          labels: { b: '2' },
          labelFingerprint: before['labelFingerprint'],
        },
      });
    await setLabels();
    await expect(setLabels()).rejects.toMatchObject({ httpStatusCode: 412 });
    expect(await get('changes')).toMatchObject({ labels: { b: '2' }, metadata: { items } });
  });

  it('attach and detach disks, and take those with autoDelete along', async () => {
    await insert('disks');
    for (const name of ['keeps', 'goes']) {
      await world.run('disks', 'insert', { diskResource: { name, sizeGb: 1 } });
      await world.run('instances', 'attachDisk', {
        instance: 'disks',
        attachedDiskResource: { source: `zones/${zone}/disks/${name}`, deviceName: name },
      });
    }
    await world.run('instances', 'setDiskAutoDelete', {
      instance: 'disks',
      deviceName: 'goes',
      autoDelete: true,
    });
    expect((await get('disks'))['disks']).toMatchObject([
      { boot: true },
      { deviceName: 'keeps', autoDelete: false },
      { deviceName: 'goes', autoDelete: true },
    ]);
    await world.run('instances', 'detachDisk', { instance: 'disks', deviceName: 'keeps' });
    expect((await get('disks'))['disks']).toHaveLength(2);
    await world.run('disks', 'delete', { disk: 'keeps' });
    await world.run('instances', 'delete', { instance: 'disks' });
    await expect(world.read('disks', 'get', { disk: 'goes' })).rejects.toThrow(/not found/);
  });

  it('print on their serial port, and say where to go on', async () => {
    await insert('prints');
    const read = (start: number) =>
      world.read('instances', 'getSerialPortOutput', { instance: 'prints', start });
    const first = await read(0);
    expect(first['contents']).toContain('boots');
    await world.run('instances', 'reset', { instance: 'prints' });
    const second = await read(Number(first['next']));
    expect(second).toMatchObject({ contents: first['contents'], start: first['next'] });
    expect(await read(-3)).toMatchObject({ contents: 'ts\n' });
  });

  it('are protected against deletion when they say so', async () => {
    await insert('protected', { deletionProtection: true });
    const remove = world.begin('instances', 'delete', { instance: 'protected' });
    await expect(remove).rejects.toThrow(/protected against deletion/);
    expect(await statusOf('protected')).toBe('RUNNING');
  });

  it('warn of a deprecated image, and refuse an obsolete one', async () => {
    const seeded = world.emulator.project(project);
    seeded.addImage({ name: 'old', fields: { deprecated: { state: 'DEPRECATED' } } });
    seeded.addImage({ name: 'gone', fields: { deprecated: { state: 'OBSOLETE' } } });
    const { warnings } = await insert('of-old', of('old'));
    expect(warnings).toMatchObject([{ code: 'DEPRECATED_RESOURCE_USED' }]);
    await expect(insert('of-gone', of('gone'))).rejects.toThrow(/obsolete/);
  });

  it('count for the quota of processors while they run, and for that of instances always', async () => {
    const seeded = world.emulator.project(project);
    const large = { machineType: `zones/${zone}/machineTypes/n2-standard-4` };
    await insert('large', large);
    seeded.setQuota('N2_CPUS', 4, region);
    await expect(insert('larger', large)).rejects.toThrow(/Quota 'N2_CPUS' exceeded/);
    await world.run('instances', 'stop', { instance: 'large' });
    await insert('larger', large);
    const start = world.begin('instances', 'start', { instance: 'large' });
    await expect(start).rejects.toThrow(/Quota 'N2_CPUS' exceeded/);
    seeded.setQuota('INSTANCES', 1, region);
    await expect(insert('one-more')).rejects.toThrow(/Quota 'INSTANCES' exceeded/);
  });

  it('are listed in all zones', async () => {
    const { items } = await world.fetch('aggregated/instances?filter=name%20%3D%20taken');
    expect(items).toMatchObject({
      [`zones/${zone}`]: { instances: [{ name: 'taken' }] },
      'zones/us-central1-b': { instances: [{ name: 'taken' }] },
    });
  });
});
