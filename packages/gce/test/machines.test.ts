import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { isGceDisk, isGceInstance, isGceMachineImage, isGceSnapshot } from '../src/index.ts';
import { base, collect, MachineCloud, project, refusal, zone } from './machine-cloud.ts';

// Google's client reads twelve megabytes of description first, which takes a while on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const boot = { kind: 'image', image: base } as const;
let cloud: MachineCloud;
let gce: Awaited<ReturnType<MachineCloud['provider']>>;

beforeAll(async () => {
  cloud = await MachineCloud.start();
  gce = await cloud.provider();
});
afterAll(() => cloud[Symbol.asyncDispose]());

describe('a machine', () => {
  it('is asked for with all that was wished', async () => {
    const expiresAt = new Date(cloud.now() + 3_600_000).toISOString();
    const instance = await gce.instances.launch({
      name: 'wishes',
      boot,
      machineType: { cpus: 2, memoryBytes: 3 * 2 ** 30 },
      bootDiskSizeBytes: 2 ** 31,
      disks: [{ sizeBytes: 2 ** 30 }],
      labels: { role: 'web' },
      metadata: { colour: 'red' },
      ports: [80],
      expiresAt,
      idempotencyKey: 'wishes',
      providerOptions: {
        tags: ['web'],
        spot: true,
        kmsKey: 'projects/p/locations/us/keyRings/r/cryptoKeys/k',
      },
    });
    expect(instance).toMatchObject({
      id: `projects/${project}/zones/${zone}/instances/wishes`,
      status: 'RUNNING',
      image: base,
      machineType: 'e2-custom-2-3072',
      labels: { role: 'web' },
      metadata: { colour: 'red' },
      disks: [
        { boot: true, sizeBytes: 2 ** 31, deleteWithInstance: true },
        { boot: false, sizeBytes: 2 ** 30, deleteWithInstance: true },
      ],
    });
    expect(cloud.lastBody('Instances.Insert')).toMatchObject({
      tags: { items: ['web'] },
      scheduling: {
        provisioningModel: 'SPOT',
        terminationTime: expiresAt,
        instanceTerminationAction: 'DELETE',
      },
      disks: [
        { diskEncryptionKey: { kmsKeyName: 'projects/p/locations/us/keyRings/r/cryptoKeys/k' } },
        { initializeParams: { diskName: 'wishes-disk-1' } },
      ],
    });
    const disks = await collect(gce.disks.list({ labels: { role: 'web' } }));
    expect(disks.map(({ name }) => name).toSorted()).toEqual(['wishes', 'wishes-disk-1']);
  });

  it('is made once when the answer is lost', async () => {
    const before = cloud.requests('Instances.Insert').length;
    cloud.emulator.faults.add({ rpc: 'Instances.Insert', kind: 'drop', when: 'after' });
    const { status } = await gce.instances.launch({ name: 'lost', boot, idempotencyKey: 'lost' });
    expect(status).toBe('RUNNING');
    const inserts = cloud.requests('Instances.Insert').slice(before);
    expect(inserts.length).toBeGreaterThan(1);
    expect(new Set(inserts.map(({ query }) => query['requestId'])).size).toBe(1);
    expect((await collect(gce.instances.list({ name: 'lost' }))).length).toBe(1);
  });

  it('is made once when the process is killed before the answer, and asked again with the same key', async () => {
    const stateDirectory = await mkdtemp(join(tmpdir(), 'imgkit-gce-child-'));
    cloud.emulator.faults.add({
      rpc: 'Instances.Insert',
      kind: 'drop',
      when: 'after',
      times: Infinity,
    });
    const before = cloud.requests('Instances.Insert').length;
    const script = fileURLToPath(new URL('machine-maker.ts', import.meta.url));
    const args = [cloud.emulator.endpoint, project, zone, stateDirectory];
    const child = spawn(process.execPath, ['--conditions=@imgkit/source', script, ...args], {
      stdio: 'ignore',
    });
    try {
      while (cloud.requests('Instances.Insert').length === before && child.exitCode === null)
        await delay(10);
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      expect(child.signalCode).toBe('SIGKILL');
    } finally {
      cloud.emulator.faults.clear();
      await rm(stateDirectory, { recursive: true, force: true });
    }
    const request = {
      name: 'survivor',
      boot,
      startupScript: 'true',
      idempotencyKey: 'the run that was killed',
    };
    const { id, status } = await gce.instances.launch(request);
    expect(status).toBe('RUNNING');
    expect((await collect(gce.instances.list({ name: 'survivor' }))).map((one) => one.id)).toEqual([
      id,
    ]);
    const inserts = cloud.requests('Instances.Insert').slice(before);
    expect(new Set(inserts.map(({ query }) => query['requestId'])).size).toBe(1);
  });

  it('is launched again with the same key when Google failed to make it', async () => {
    cloud.emulator.faults.add({
      rpc: 'Instances.Insert',
      kind: 'operation-error',
      code: 'ZONE_RESOURCE_POOL_EXHAUSTED',
      message: 'The zone does not have enough resources available.',
    });
    const request = { name: 'again', boot, idempotencyKey: 'again' };
    const error = await refusal(gce.instances.launch(request));
    expect(error).toMatchObject({
      code: 'UNAVAILABLE',
      operation: 'instances.launch',
      provider: 'gce',
    });
    expect((await gce.instances.launch(request)).status).toBe('RUNNING');
  });

  it('is found by its key when Google has forgotten the request, like all that is made with one', async () => {
    const [name, idempotencyKey] = ['kept', 'kept'];
    const make = async (): Promise<readonly string[]> => {
      const one = await gce.instances.launch({ name, boot, idempotencyKey });
      const disk = await gce.disks.create({ name: 'kept-data', sizeBytes: 1, idempotencyKey });
      const snapshot = await gce.snapshots.create({ name, disk: disk.id, idempotencyKey });
      const whole = await gce.machineImages.create({ name, instance: one.id, idempotencyKey });
      const again = { machineImage: whole.id, name: 'kept-again', idempotencyKey: 'restored' };
      const restored = await gce.machineImages.restore(again);
      return [one.id, disk.id, snapshot.id, whole.id, restored.id];
    };
    const made = await make();
    cloud.later(2 * 3_600_000);
    expect(await make()).toEqual(made);
    const foreign = gce.instances.launch({ name, boot, idempotencyKey: 'foreign' });
    expect((await refusal(foreign)).code).toBe('ALREADY_EXISTS');
  });

  it('boots from a disk, which it leaves, and from a snapshot', async () => {
    const disk = await gce.disks.create({ name: 'root', source: boot });
    const { id: snapshot } = await gce.snapshots.create({ name: 'root-1', disk: disk.id });
    const one = await gce.instances.launch({
      name: 'of-disk',
      boot: { kind: 'disk', disk: disk.id },
    });
    expect(one.disks).toMatchObject([{ id: disk.id, deleteWithInstance: false }]);
    const source = { kind: 'snapshot', snapshot } as const;
    const two = await gce.instances.launch({ name: 'of-snapshot', boot: source });
    expect(two.disks).toMatchObject([{ boot: true, sizeBytes: 2 ** 30 }]);
    const tooSmall = { name: 'small', boot: source, bootDiskSizeBytes: 2 ** 30 - 1 };
    expect((await refusal(gce.instances.launch(tooSmall))).code).toBe('INVALID_ARGUMENT');
    await gce.instances.delete(one.id);
    expect((await gce.disks.get(disk.id)).instances).toEqual([]);
  });

  it('is in the zone of its disks', async () => {
    const providerOptions = { zone: 'us-central1-b' };
    const disk = await gce.disks.create({ name: 'data-b', sizeBytes: 2 ** 30, providerOptions });
    const disks = [{ disk: disk.id }];
    const { id } = await gce.instances.launch({ name: 'in-b', boot, disks });
    expect(id).toBe(`projects/${project}/zones/us-central1-b/instances/in-b`);
    expect((await gce.disks.get(disk.id)).instances).toEqual([id]);
    const elsewhere = { name: 'in-a', boot, disks, providerOptions: { zone } };
    expect((await refusal(gce.instances.launch(elsewhere))).code).toBe('INVALID_ARGUMENT');
    const found = await collect(gce.instances.list({ name: 'in-b' }));
    expect(found.length, 'listings go over all zones').toBe(1);
  });

  it.each([
    ['soon', () => 'soon'],
    ['in five seconds', () => new Date(cloud.now() + 5_000).toISOString()],
    ['in 121 days', () => new Date(cloud.now() + 121 * 86_400_000).toISOString()],
  ])('does not remove itself %s', async (_, when) => {
    const expiresAt = when();
    const before = cloud.requests('Instances.Insert').length;
    const error = await refusal(gce.instances.launch({ name: 'ends', boot, expiresAt }));
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(cloud.requests('Instances.Insert').length).toBe(before);
  });

  it('is given no host key', async () => {
    const hostKey = { privateKey: 'secret', publicKey: 'ssh-ed25519 AAAA' };
    const error = await refusal(gce.instances.launch({ name: 'key', boot, hostKey }));
    expect(error.code).toBe('UNSUPPORTED');
  });
});

describe('a running machine', () => {
  it('is reached where it has an address, at the ports that were asked for', async () => {
    const outer = await gce.instances.launch({ name: 'outer', boot, ports: [80] });
    const providerOptions = { externalAddress: false };
    const inner = await gce.instances.launch({ name: 'inner', boot, providerOptions });
    const { host, port, hostKeys } = await gce.instances.endpoint(outer.id);
    expect([port, hostKeys]).toEqual([22, []]);
    expect((await gce.instances.endpoint(outer.id, 80)).host).toBe(host);
    expect((await gce.instances.endpoint(inner.id)).host).toMatch(/^10\./);
    expect(host).not.toMatch(/^10\./);
    const closed = await refusal(gce.instances.endpoint(outer.id, 81));
    expect(closed.code).toBe('FAILED_PRECONDITION');
    const { instances: near } = await cloud.provider({ address: 'internal' });
    expect((await near.endpoint(outer.id)).host).toMatch(/^10\./);
    await gce.instances.stop(outer.id);
    expect((await refusal(gce.instances.endpoint(outer.id))).code).toBe('FAILED_PRECONDITION');
  });

  it('tells the end of what it printed', async () => {
    const { id } = await gce.instances.launch({ name: 'printer', boot });
    const all = await gce.instances.console(id);
    expect(all).toMatch(/printer boots\n$/);
    expect(await gce.instances.console(id, { maxBytes: 6 })).toBe('boots\n');
  });

  it('is stopped with or without grace, once', async () => {
    const { id } = await gce.instances.launch({ name: 'stopper', boot });
    const flags = (): unknown =>
      cloud.requests('Instances.Stop').at(-1)?.query['noGracefulShutdown'];
    await gce.instances.stop(id);
    expect(flags()).toBeUndefined();
    await gce.instances.start(id);
    await gce.instances.stop(id, { graceMs: 0 });
    expect(flags()).toBe('true');
    const before = cloud.requests('Instances.Stop').length;
    expect((await gce.instances.stop(id)).status).toBe('STOPPED');
    expect(cloud.requests('Instances.Stop').length).toBe(before);
    expect((await refusal(gce.instances.stop(id, { graceMs: -1 }))).code).toBe('INVALID_ARGUMENT');
  });

  it('goes on being launched, stopped and deleted from a token', async () => {
    const other = await cloud.provider();
    const launching = gce.instances.launch({ name: 'resumed', boot });
    const made = await other.provider.resume(await launching.token());
    const { id } = await launching;
    expect(made).toMatchObject({ id, status: 'RUNNING' });
    const stopping = gce.instances.stop(id);
    expect(await other.provider.resume(await stopping.token())).toMatchObject({
      status: 'STOPPED',
    });
    await stopping;
    const deleting = gce.instances.delete(id);
    await other.provider.resume(await deleting.token());
    expect((await refusal(gce.instances.get(id))).code).toBe('NOT_FOUND');
    await deleting;
  });
});

it('is stopped from a token, also when Google has forgotten the operation', async () => {
  const { id } = await gce.instances.launch({ name: 'forgotten', boot });
  const stopping = gce.instances.stop(id);
  await stopping;
  const rpc = 'ZoneOperations.Wait';
  cloud.emulator.faults.add({ rpc, kind: 'status', status: 404, reason: 'notFound' });
  const { provider } = await cloud.provider();
  expect(await provider.resume(await stopping.token())).toMatchObject({ id, status: 'STOPPED' });
});

it('has native objects that are told apart', async () => {
  const instance = await gce.instances.launch({ name: 'native', boot });
  const disk = await gce.disks.create({ name: 'native-data', sizeBytes: 1 });
  const snapshot = await gce.snapshots.create({ name: 'native', disk: disk.id });
  const whole = await gce.machineImages.create({ name: 'native', instance: instance.id });
  const natives = [instance, disk, snapshot, whole].map(({ native }) => native);
  const guards = [isGceInstance, isGceDisk, isGceSnapshot, isGceMachineImage];
  for (const [index, guard] of guards.entries())
    expect(natives.map(guard)).toEqual(natives.map((_, other) => other === index));
  expect(isGceInstance(instance.native) && instance.native.scheduling?.provisioningModel).toBe(
    'STANDARD',
  );
});

describe('disks and snapshots', () => {
  it('are made once when the answer is lost', async () => {
    const { faults } = cloud.emulator;
    for (const rpc of ['Disks.Insert', 'Snapshots.Insert'])
      faults.add({ rpc, kind: 'drop', when: 'after' });
    const disk = await gce.disks.create({ name: 'once', sizeBytes: 1, idempotencyKey: 'once' });
    expect(disk.sizeBytes).toBe(2 ** 30);
    await gce.snapshots.create({ name: 'once', disk: disk.id, idempotencyKey: 'once' });
    expect((await collect(gce.disks.list({ name: 'once' }))).length).toBe(1);
    expect((await collect(gce.snapshots.list({ disk: disk.id }))).length).toBe(1);
  });

  it('are what their options say', async () => {
    const kmsKey = 'projects/p/locations/us/keyRings/r/cryptoKeys/k';
    const providerOptions = { zone: 'europe-west1-b', type: 'pd-ssd', kmsKey, description: 'data' };
    const disk = await gce.disks.create({ name: 'opted', sizeBytes: 2 ** 30, providerOptions });
    expect(disk.id).toBe(`projects/${project}/zones/europe-west1-b/disks/opted`);
    expect(cloud.lastBody('Disks.Insert')).toMatchObject({
      type: `projects/${project}/zones/europe-west1-b/diskTypes/pd-ssd`,
      diskEncryptionKey: { kmsKeyName: kmsKey },
      description: 'data',
    });
    const wishes = { storageLocations: ['eu'], guestFlush: true, type: 'ARCHIVE', kmsKey };
    await gce.snapshots.create({ name: 'opted', disk: disk.id, providerOptions: wishes });
    expect(cloud.lastBody('Snapshots.Insert')).toMatchObject({
      storageLocations: ['eu'],
      guestFlush: true,
      snapshotType: 'ARCHIVE',
      snapshotEncryptionKey: { kmsKeyName: kmsKey },
    });
    const unknown = { name: 'unknown', sizeBytes: 1, providerOptions: { colour: 'red' } };
    expect((await refusal(gce.disks.create(unknown))).code).toBe('INVALID_ARGUMENT');
    expect((await refusal(gce.disks.get('opted'))).code).toBe('NOT_FOUND');
    expect((await refusal(gce.snapshots.get(disk.id))).code, 'of another kind').toBe('NOT_FOUND');
  });
});
