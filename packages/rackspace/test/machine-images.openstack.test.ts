import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';

import { startProxy } from './faulty-proxy.ts';
import {
  anotherProvider,
  killedAt,
  machineWorld,
  owned,
  proxied,
  type MachineWorld,
} from './machine-world.ts';
import { ask, endpointOf, kitOf, missing, providerOf } from './openstack.ts';

const sizeBytes = 2 ** 30;
const remove = { method: 'DELETE' };
const first = { boot_index: 0, delete_on_termination: true };
const further = { boot_index: -1, delete_on_termination: true };
const thing = z.object({ id: z.string() }).optional();
const created = z.object({ server: thing, server_group: thing });

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** A running server with a further disk. */
function launch({ provider, run, labels, image }: MachineWorld, bootVolume = false) {
  return provider.instances.launch({
    name: run,
    boot: { kind: 'image', image: image.ref },
    machineType: 'tiny',
    disks: [{ sizeBytes }],
    labels,
    metadata: { role: 'web' },
    providerOptions: { bootVolume },
  });
}

/** What must hold however a machine image came about. */
async function checkSet(world: MachineWorld, instance: string, id: string): Promise<void> {
  const { provider, run, labels } = world;
  expect(await provider.machineImages.get(id)).toMatchObject({ status: 'READY', instance });
  expect((await all(provider.machineImages.list({ labels }))).map((one) => one.id)).toEqual([id]);
  // Its snapshot counts as a part of it, and there is one for the disk.
  expect(await owned(provider, labels)).toEqual(
    [`image ${run}-base`, `instance ${run}`, `machine-image ${run}`].toSorted(),
  );
  const server = await provider.instances.get(instance);
  expect(server.status, 'it runs as before').toBe('RUNNING');
  expect(JSON.stringify(server.native)).not.toContain('imgkit:paused');
}

describe.skipIf(missing !== undefined)('a machine image', () => {
  it('of a server that boots from a volume brings all its volumes back', async () => {
    const world = await machineWorld();
    const { provider, run, labels } = world;
    const server = await launch(world, true);
    const made = await provider.machineImages.create({
      name: run,
      instance: server.id,
      labels,
      description: 'before the upgrade',
    });
    expect(made.disks).toEqual([
      { boot: true, sizeBytes },
      { boot: false, sizeBytes },
    ]);
    await checkSet(world, server.id, made.id);
    expect((await all(provider.images.list({ labels }))).map(({ name }) => name)).toEqual([
      `${run}-base`,
    ]);
    await expect(provider.images.get(made.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(provider.images.delete(made.id)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    const part = (await all(provider.snapshots.list())).find(({ name }) => name.startsWith(run));
    expect(part, 'its snapshots are its own').toBeUndefined();

    const restored = await provider.machineImages.restore({
      machineImage: made.id,
      name: `${run}-again`,
      labels,
    });
    expect(restored).toMatchObject({ status: 'RUNNING', machineType: 'tiny' });
    expect(restored.metadata).toEqual({ role: 'web' });
    expect(restored.disks.map(({ boot }) => boot)).toEqual([true, false]);
    const volumes = server.disks.map(({ id }) => id);
    expect(
      restored.disks.some(({ id }) => volumes.includes(id)),
      'they are copies',
    ).toBe(false);

    // Cinder keeps the volumes of a deleted server as long as there are snapshots of them.
    await provider.instances.delete(server.id);
    await expect(provider.disks.get(volumes[1] ?? '')).resolves.toMatchObject({ instances: [] });
    await provider.machineImages.delete(made.id);
    for (const id of volumes)
      await expect(provider.disks.get(id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('brings user data and the server group back, and pauses nothing that it isn’t to', async () => {
    // Nova shows user data to administrators alone.
    const world = await machineWorld('admin');
    const { provider, run, labels, image } = world;
    const headers = {
      'content-type': 'application/json',
      'openstack-api-version': 'compute 2.71',
    };
    const post = async (path: string, body: object) => {
      const init = { method: 'POST', headers, body: JSON.stringify(body) };
      return created.parse(await (await ask('admin', 'compute', path, init)).json());
    };
    const group = { name: run, policy: 'affinity' };
    const { server_group: { id: groupId } = { id: '' } } = await post('/os-server-groups', {
      server_group: group,
    });
    onTestFinished(
      async () => void (await ask('admin', 'compute', `/os-server-groups/${groupId}`, remove)),
    );
    // imgkit has no word for groups: the server comes from elsewhere.
    const user_data = Buffer.from('#cloud-config\nhostname: web\n').toString('base64');
    const { server: { id } = { id: '' } } = await post('/servers', {
      server: {
        name: run,
        imageRef: image.ref.id,
        flavorRef: 'tiny',
        networks: 'none',
        user_data,
        metadata: { 'imgkit:label:imgkit-run': run },
        block_device_mapping_v2: [
          { uuid: image.ref.id, source_type: 'image', destination_type: 'local', ...first },
          { volume_size: 1, source_type: 'blank', destination_type: 'volume', ...further },
        ],
      },
      'os:scheduler_hints': { group: groupId },
    });
    await expect
      .poll(async () => (await provider.instances.get(id)).status, { timeout: 60_000 })
      .toBe('RUNNING');

    const compute = await startProxy(new URL(await endpointOf('compute')).origin);
    const computeEndpoint = `${compute.url}/v2.1`;
    const kit = await kitOf(providerOf('admin', { computeEndpoint }));
    const { machineImages } = kit.providers.require('admin', 'machineImages');
    const backup = await machineImages.create({
      name: run,
      instance: id,
      labels,
      providerOptions: { pause: false },
    });
    expect(backup).toMatchObject({ status: 'READY', disks: [{ boot: true }, { boot: false }] });
    const actions = compute.calls.filter(({ call }) => /^POST .*\/action$/.test(call));
    expect(actions, 'it makes an image, and does nothing else to the server').toHaveLength(1);

    const again = await machineImages.restore({
      machineImage: backup.id,
      name: `${run}-again`,
      labels,
    });
    const shown = await ask('admin', 'compute', `/servers/${again.id}`, { headers });
    expect(await shown.json()).toMatchObject({
      server: { 'OS-EXT-SRV-ATTR:user_data': user_data, server_groups: [groupId] },
    });
  });

  it('is one, whatever goes wrong on the way', async () => {
    const world = await machineWorld();
    const { provider, run, labels } = world;
    const server = await launch(world);
    const request = (key: string) => ({
      name: run,
      instance: server.id,
      labels,
      idempotencyKey: `${run}-${key}`,
    });

    const { proxy: compute, options: one } = await proxied('compute');
    const { proxy: volumes, options: two } = await proxied('volumev3');
    const trouble = 'lost answer';
    compute.fail({ method: 'POST', path: /\/action/, trouble, times: 2 });
    volumes.fail({ method: 'POST', path: /\/snapshots/, trouble });
    const behind = await anotherProvider({ ...one, ...two });
    const made = await behind.machineImages.create(request('lost'));
    expect(compute.pending() + volumes.pending()).toBe(0);
    await checkSet(world, server.id, made.id);
    await provider.machineImages.delete(made.id);

    // The server is paused, and nothing else is there: a sweep finds that.
    const paused = async () => {
      const lost = request('paused');
      await killedAt(await proxied('compute'), /POST .*\/action/, 'machineImages.create', lost);
      await expect
        .poll(async () => (await provider.instances.get(server.id)).status, { timeout: 30_000 })
        .toBe('STOPPED');
    };
    await paused();
    expect(await owned(provider, labels)).toContain(`accessory ${run}`);
    for await (const { kind, id } of provider.owned.list(labels))
      if (kind === 'accessory') await provider.owned.delete(kind, id);
    const swept = await provider.instances.get(server.id);
    expect(swept.status).toBe('RUNNING');
    expect(JSON.stringify(swept.native)).not.toContain('imgkit:paused');
    // And so does the next call, whatever its key. This one is killed when a snapshot is on its way.
    await paused();
    const wanted = request('next');
    await killedAt(await proxied('volumev3'), /POST .*\/snapshots/, 'machineImages.create', wanted);
    const whole = await provider.machineImages.create(wanted);
    await checkSet(world, server.id, whole.id);
    expect(await provider.machineImages.create(wanted)).toMatchObject({ id: whole.id });
    await provider.machineImages.delete(whole.id);

    // Half deleted, it is still one thing, which can't be used, and which the next call deletes.
    const last = await provider.machineImages.create(request('last'));
    const proxy = await proxied('volumev3');
    await killedAt(proxy, /DELETE .*\/snapshots/, 'machineImages.delete', { id: last.id });
    const status = async () => (await provider.machineImages.get(last.id)).status;
    await expect.poll(status, { timeout: 30_000 }).toBe('FAILED');
    const again = { machineImage: last.id, name: `${run}-again`, labels };
    await expect(provider.machineImages.restore(again)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    await provider.machineImages.delete(last.id);
    expect(await owned(provider, labels)).toEqual([`image ${run}-base`, `instance ${run}`]);
  });
});
