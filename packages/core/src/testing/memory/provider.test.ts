import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ImgkitError } from '../../spec/errors.ts';
import { quickClock } from '../quick-clock.ts';
import { createMemoryProvider, memoryCloud, type MemoryCloudOptions } from './index.ts';

const MiB = 1_048_576;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imgkit-memory-'));
});
afterEach(() => rm(directory, { recursive: true }));

function setUp(options: MemoryCloudOptions = {}) {
  const cloud = memoryCloud(options);
  return { cloud, provider: createMemoryProvider({ cloud }) };
}

describe('a fault of the memory cloud', () => {
  const request = { name: 'data-1', sizeBytes: MiB, idempotencyKey: 'k1' };

  it('before the call leaves nothing', async () => {
    const { cloud, provider } = setUp();
    cloud.faults.fail('disks.create');
    await expect(provider.disks.create(request)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      provider: 'memory',
      operation: 'disks.create',
      resource: 'data-1',
    });
    expect(cloud.inventory()).toEqual([]);
    expect(await provider.disks.create(request)).toMatchObject({ status: 'READY' });
  });

  it('after the call is a lost answer: the same key finds what was made', async () => {
    const { cloud, provider } = setUp();
    cloud.faults.fail('disks.create', { when: 'after', code: 'TIMEOUT' });
    await expect(provider.disks.create(request)).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(cloud.inventory()).toMatchObject([{ name: 'data-1', status: 'READY' }]);
    expect(await provider.disks.create(request)).toMatchObject({ name: 'data-1' });
    expect(cloud.inventory()).toHaveLength(1);
    expect(cloud.count('disks.create')).toBe(2);
  });

  it('during the work removes what was half made', async () => {
    const { cloud, provider } = setUp();
    cloud.faults.fail('disks.create', { when: 'during' });
    await expect(provider.disks.create(request)).rejects.toMatchObject({
      code: 'OPERATION_FAILED',
    });
    expect(cloud.inventory()).toEqual([]);
  });

  it('once the work is accepted leaves it to the cloud, and another process can find it', async () => {
    const { cloud, provider } = setUp({ workMs: 5 });
    cloud.faults.fail('disks.create', { when: 'accepted' });
    const operation = provider.disks.create(request);
    const token = await operation.token();
    await expect(operation).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(cloud.inventory()).toMatchObject([{ status: 'PENDING' }]);
    const other = createMemoryProvider({ cloud });
    expect(await other.resume(token)).toMatchObject({ name: 'data-1', status: 'READY' });
  });

  it('throws exactly the error it was given', async () => {
    const { cloud, provider } = setUp();
    const error = new Error('socket hang up');
    cloud.faults.fail('images.list', { error, times: 1 });
    await expect(provider.images.list()[Symbol.asyncIterator]().next()).rejects.toBe(error);
  });

  it('holds a call until it is released', async () => {
    const { cloud, provider } = setUp();
    const hold = cloud.faults.hold('disks.create', { when: 'during' });
    const operation = provider.disks.create(request);
    await hold.reached;
    await operation.token();
    expect(cloud.inventory()).toMatchObject([{ status: 'PENDING' }]);
    hold.release();
    expect(await operation).toMatchObject({ status: 'READY' });
  });

  it('delays work on the cloud’s clock', async () => {
    const { cloud, provider } = setUp();
    cloud.faults.delay('disks.create', 30, { when: 'during' });
    const before = cloud.clock.now();
    await provider.disks.create(request);
    expect(cloud.clock.now() - before).toBeGreaterThanOrEqual(30);
  });
});

describe('giving up', () => {
  it('stops work that nobody else waits for', async () => {
    const { cloud, provider } = setUp({ workMs: 60_000 });
    const stop = new AbortController();
    const operation = provider.disks.create({ name: 'a', sizeBytes: 1 }, { signal: stop.signal });
    await operation.token();
    stop.abort();
    await expect(operation).rejects.toMatchObject({ code: 'CANCELLED', provider: 'memory' });
    expect(cloud.inventory()).toEqual([]);
  });

  it('leaves work alone that somebody else waits for', async () => {
    const { provider, cloud } = setUp();
    const hold = cloud.faults.hold('disks.create', { when: 'during' });
    const stop = new AbortController();
    const request = { name: 'a', sizeBytes: 1, idempotencyKey: 'k' };
    const first = provider.disks.create(request);
    await first.token();
    const second = provider.disks.create(request, { signal: stop.signal });
    const token = await second.token();
    stop.abort();
    await expect(second).rejects.toMatchObject({ code: 'PENDING', token });
    hold.release();
    expect(await first).toMatchObject({ status: 'READY' });
  });
});

describe('a guest', () => {
  it('sees its machine, writes on its disk, and is asked to shut down', async () => {
    const events: string[] = [];
    const { provider } = setUp({
      guest: (machine) => {
        machine.print(`hello from ${machine.name}\n`);
        machine.write(Buffer.from(`${Buffer.from(machine.read()).toString()}+boot`));
        return {
          endpoint: (port) => (port === 22 ? { port: 4022 } : undefined),
          shutDown: async () => {
            events.push('shut down');
            await Promise.resolve();
          },
          ended: () => events.push('ended'),
        };
      },
    });
    const file = join(directory, 'disk.raw');
    await writeFile(file, 'base');
    const image = await provider.images.create({ name: 'base', source: { kind: 'file', file } });
    const machine = await provider.instances.launch({
      name: 'vm-1',
      boot: { kind: 'image', image: image.ref },
      ports: [80],
    });
    expect(await provider.instances.endpoint(machine.id)).toMatchObject({ port: 4022 });
    expect(await provider.instances.console(machine.id)).toContain('hello from vm-1');
    await provider.instances.stop(machine.id);
    expect(events).toEqual(['shut down', 'ended']);

    const child = await provider.images.create({
      name: 'child',
      source: { kind: 'instance', instance: machine.id },
    });
    const to = join(directory, 'out.raw');
    await provider.transfer.export({ image: child.ref.id, to, format: 'raw' });
    expect(await readFile(to, 'utf8')).toBe('base+boot');
    expect(await readdir(directory)).toEqual(['disk.raw', 'out.raw']);
  });

  it('that fails to boot is seen in the instance', async () => {
    const { provider } = setUp({ guest: () => Promise.reject(new Error('no init found')) });
    const disk = await provider.disks.create({ name: 'empty', sizeBytes: MiB });
    const boot = { kind: 'disk', disk: disk.id } as const;
    const machine = await provider.instances.launch({ name: 'vm-1', boot });
    expect(await provider.instances.get(machine.id)).toMatchObject({
      status: 'FAILED',
      reason: 'Error: no init found',
    });
  });
});

describe('a fleet', () => {
  it('is rolled out within its bounds, paused, gone on with, and rolled back', async () => {
    const { cloud, provider } = setUp({ clock: quickClock(), workMs: 1 });
    const disk = await provider.disks.create({ name: 'root', sizeBytes: MiB });
    const source = { kind: 'disk', disk: disk.id } as const;
    const one = await provider.images.create({ name: 'v1', source });
    const two = await provider.images.create({ name: 'v2', source });
    const template = (image: typeof one) =>
      ({ boot: { kind: 'image', image: image.ref } }) as const;
    const fleet = await provider.fleets.create({ name: 'web', size: 3, template: template(one) });
    expect(fleet).toMatchObject({ status: 'STABLE', versions: [{ instances: 3, target: true }] });

    const standing = new Set<number>();
    const rollout = provider.fleets.rollOut({ fleet: fleet.id, template: template(two) });
    const watch = (async () => {
      for await (const _ of rollout)
        standing.add((await provider.fleets.get(fleet.id)).instances.length);
    })();
    await rollout.token();
    expect(await provider.fleets.pause?.(fleet.id)).toMatchObject({ status: 'PAUSED' });
    await provider.fleets.unpause?.(fleet.id);
    await watch;
    expect((await rollout).versions).toEqual([{ image: two.ref, instances: 3, target: true }]);
    expect(Math.min(...standing)).toBeGreaterThanOrEqual(3);
    expect(Math.max(...standing)).toBe(4);

    const back = await provider.fleets.rollBack(fleet.id);
    expect(back.versions).toEqual([{ image: one.ref, instances: 3, target: true }]);
    expect((await provider.usage.of(two.ref.id)).users).toMatchObject([{ kind: 'template' }]);
    await provider.fleets.delete(fleet.id);
    expect(cloud.inventory().map(({ kind }) => kind)).toEqual(['disk', 'image', 'image']);
  });
});

describe('time in the memory cloud', () => {
  it('removes machines whose time is over', async () => {
    let now = Date.parse('2026-11-21T09:00:00Z');
    const clock = { now: () => now, sleep: () => Promise.resolve() };
    const { provider, cloud } = setUp({ clock });
    const disk = await provider.disks.create({ name: 'root', sizeBytes: MiB });
    const machine = await provider.instances.launch({
      name: 'vm-1',
      boot: { kind: 'disk', disk: disk.id },
      expiresAt: '2026-11-21T10:00:00Z',
    });
    now = Date.parse('2026-11-21T09:59:59Z');
    expect(await provider.instances.get(machine.id)).toMatchObject({ status: 'RUNNING' });
    now = Date.parse('2026-11-21T10:00:00Z');
    await expect(provider.instances.get(machine.id)).rejects.toSatisfy((error) =>
      ImgkitError.is(error, 'NOT_FOUND'),
    );
    expect(cloud.inventory()).toMatchObject([{ kind: 'disk', name: 'root' }]);
  });

  it('carries out dates only when it is told that the cloud does', async () => {
    for (const carriesOutDates of [false, true]) {
      const { provider } = setUp({ traits: { deprecation: { carriesOutDates } } });
      const disk = await provider.disks.create({ name: 'root', sizeBytes: MiB });
      const { ref } = await provider.images.create({
        name: 'v1',
        source: { kind: 'disk', disk: disk.id },
        deprecation: { state: 'ACTIVE', dates: { obsolete: '2020-01-01T00:00:00Z' } },
      });
      const { deprecation } = await provider.images.get(ref.id);
      expect(deprecation.state).toBe(carriesOutDates ? 'OBSOLETE' : 'ACTIVE');
    }
  });
});

describe('a warm start', () => {
  it('gives a machine the disk that was saved', async () => {
    const resumed: boolean[] = [];
    const { provider } = setUp({
      guest: (machine) => {
        resumed.push(machine.resumed);
        if (!machine.resumed) machine.write(Buffer.from('warm'));
        return {};
      },
    });
    const disk = await provider.disks.create({ name: 'root', sizeBytes: MiB });
    const source = { kind: 'disk', disk: disk.id } as const;
    const image = await provider.images.create({ name: 'v1', source });
    const boot = { kind: 'image', image: image.ref } as const;
    const first = await provider.instances.launch({ name: 'vm-1', boot });
    const warmStart = await provider.warmStarts.key({ image: image.ref.id });
    expect(await provider.warmStarts.has(warmStart)).toBe(false);
    await provider.warmStarts.save(warmStart, first.id);
    const second = await provider.instances.launch({ name: 'vm-2', boot, warmStart });
    expect(resumed).toEqual([false, true]);
    await provider.instances.stop(second.id);
    const child = await provider.images.create({
      name: 'child',
      source: { kind: 'instance', instance: second.id },
    });
    expect(child.storedBytes).toBe(4);
  });
});
