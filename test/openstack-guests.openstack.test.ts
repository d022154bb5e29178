import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { restartService } from './openstack/cloud.ts';
import { LossyProxy } from './support/lossy-proxy.ts';
import { callNeutron, missing, OpenStackWorld } from './support/openstack-world.ts';

const seconds = 1000;

describe.skipIf(missing !== undefined)(`a real guest under Nova ${missing ?? ''}`, () => {
  let world: OpenStackWorld;

  beforeAll(async () => {
    world = await OpenStackWorld.open('images');
  });

  afterAll(async () => world[Symbol.asyncDispose]());

  it(
    'boots with its keys and its script, and is captured running, stopped from within, and stopped',
    async () => {
      const { instances, provider } = world;
      const script = '#!/bin/sh\necho started as $(hostname) > /root/started\n';
      const machine = await instances.launch(world.request({ startupScript: script }));
      // Its SSH server has the key that it was given, else this would be refused.
      const written = 'cat /root/started; echo kept > /root/kept; sync';
      expect(await world.run(machine, written)).toMatch(/^started as w-/);
      expect(await instances.console(machine.id)).toContain('imgkit-ready');
      const accessories: string[] = [];
      for await (const { kind, id } of provider.owned.list({}))
        if (kind === 'accessory') accessories.push(id);
      expect(accessories).toEqual([]);

      const source = { kind: 'instance', instance: machine.id } as const;
      const image = (name: string, whenRunning?: 'flush' | 'stop') =>
        provider.images.create({
          name: `${world.name}-${name}`,
          source: { ...source, whenRunning },
          labels: { world: world.name },
        });
      await expect(image('refused').then(String)).rejects.toMatchObject({
        code: 'FAILED_PRECONDITION',
      });
      const running = await image('running', 'flush');
      const { host } = await instances.endpoint(machine.id);
      expect(await world.run(machine, 'cat /root/kept')).toBe('kept');

      await world.run(machine, 'setsid sh -c "sleep 0.5; poweroff" > /dev/null 2>&1 < /dev/null &');
      const status = async () => (await instances.get(machine.id)).status;
      await expect.poll(status, { timeout: 300 * seconds, interval: 500 }).toBe('STOPPED');
      await instances.start(machine.id);
      expect(await instances.endpoint(machine.id)).toMatchObject({ host, port: 22 });
      expect(await world.run(machine, 'cat /root/kept; date > /root/later')).toBe('kept');
      const stopped = await image('stopped', 'stop');
      expect(await status()).toBe('STOPPED');

      // What was taken of the running one boots, is somebody else, and has what had been written by then.
      for (const { status: itsStatus } of [running, stopped]) expect(itsStatus).toBe('READY');
      const boot = { kind: 'image', image: running.ref } as const;
      const copy = await instances.launch(world.request({ boot }));
      expect(await world.run(copy, 'cat /root/kept; ls /root/later || true')).toBe('kept');
      for (const { id } of [machine, copy]) await instances.delete(id);
    },
    900 * seconds,
  );

  it(
    'sees what is on a volume that it gets, writes to it, and runs on while Nova is started again',
    async ({ skip }) => {
      const cloud = inject('openstack');
      if (cloud.missing !== undefined) return skip(cloud.missing);
      const { instances, provider } = world;
      const { disks } = provider;
      if (disks === undefined) throw new Error('the provider has no disks');
      const labels = { world: world.name };
      const { id } = await disks.create({ name: world.name, sizeBytes: 2 ** 30, labels });
      const file = join(cloud.directory, 'cinder', 'state', 'volumes', `volume-${id}`);
      await writeFile(file, 'from the cloud', { flag: 'r+' });
      const machine = await instances.launch(world.request({ disks: [{ disk: id }] }));
      const boot = 'cat /proc/sys/kernel/random/boot_id';
      const read = 'dd if=/dev/vdb bs=14 count=1 2> /dev/null';
      const write = 'printf "%-512s" "from the guest" | dd of=/dev/vdb 2> /dev/null; sync';
      const before = await world.run(machine, `${read}; ${write}; echo; ${boot}`);
      expect(before).toMatch(/^from the cloud\n/);
      await using written = await open(file);
      const { buffer } = await written.read(Buffer.alloc(14), 0, 14, 0);
      expect(buffer.toString()).toBe('from the guest');
      expect((await disks.get(id)).instances).toEqual([machine.id]);

      await restartService(cloud, 'nova');
      expect((await instances.get(machine.id)).status).toBe('RUNNING');
      expect(await world.run(machine, boot), 'it was never down').toBe(before.split('\n').at(-1));
      await instances.delete(machine.id);
      expect((await disks.get(id)).instances, 'the volume stays').toEqual([]);
      await disks.delete(id);
    },
    300 * seconds,
  );

  it(
    'is reached at a floating address where its network can’t be',
    async () => {
      const user = 'consumer-a';
      const { network } = await callNeutron(user, 'POST', '/networks', {
        network: { name: 'inside' },
      });
      onTestFinished(() => callNeutron(user, 'DELETE', `/networks/${network.id}`));
      await callNeutron(user, 'POST', '/subnets', {
        subnet: { network_id: network.id, cidr: '10.77.0.0/24', ip_version: 4 },
      });
      await using inside = await OpenStackWorld.open(user);
      const { instances } = inside;
      const providerOptions = { networks: ['inside'], floatingNetwork: 'public' };
      const machine = await instances.launch(inside.request({ providerOptions }));
      const { floatingips: addresses } = await callNeutron(user, 'GET', '/floatingips');
      expect(addresses).toHaveLength(1);
      expect((await instances.endpoint(machine.id)).host).toBe(addresses[0].floating_ip_address);
      expect(await inside.run(machine, 'echo here')).toBe('here');
      await instances.delete(machine.id);
      expect(await callNeutron(user, 'GET', '/floatingips')).toEqual({ floatingips: [] });

      await expect(
        instances
          .launch(inside.request({ providerOptions: { networks: ['nowhere'] } }))
          .then(String),
      ).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        hint: expect.stringContaining('inside'),
      });
    },
    900 * seconds,
  );
});

describe.skipIf(missing !== undefined)(`a server under an older Nova ${missing ?? ''}`, () => {
  it(
    'is launched and captured where Nova tells no microversions',
    async () => {
      const cloud = inject('openstack');
      const port = cloud.missing === undefined ? cloud.environment['NOVA_PORT'] : '';
      await using proxy = await LossyProxy.open({ compute: `http://127.0.0.1:${port}` });
      proxy.tellsVersions = false;
      const computeEndpoint = `${proxy.url('compute')}/v2.1`;
      // There is no guest on it: what is asked here is what Nova says.
      const file = join(inject('vmDirectory'), 'empty.raw');
      await writeFile(file, Buffer.alloc(65_536));
      await using old = await OpenStackWorld.open('images', { computeEndpoint }, file);
      const { instances, provider } = old;
      const machine = await instances.launch(old.request({ machineType: 'tiny' }));
      expect(machine).toMatchObject({ machineType: 'tiny', status: 'RUNNING' });
      expect((await instances.endpoint(machine.id)).host).toMatch(/^127\./);
      const { status } = await provider.images.create({
        name: `${old.name}-image`,
        source: { kind: 'instance', instance: machine.id, whenRunning: 'flush' },
        labels: { world: old.name },
      });
      expect(status).toBe('READY');
    },
    120 * seconds,
  );
});
