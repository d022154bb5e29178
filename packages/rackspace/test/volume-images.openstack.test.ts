import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Image } from '@imgkit/core';
import { describe, expect, it } from 'vitest';

import {
  anotherProvider,
  killedAt,
  machineWorld,
  owned,
  proxied,
  type MachineWorld,
} from './machine-world.ts';
import { ask, missing, openstack, scratch } from './openstack.ts';

const gib = 2 ** 30;
// Small in Glance, and quick.
const providerOptions = { diskFormat: 'qcow2' };

/** The file of a volume. */
function fileOf(disk: string): string {
  return join(openstack().directory, 'cinder', 'state', 'volumes', `volume-${disk}`);
}

/** How the disk of an image begins. Cinder compresses it. */
async function contentOf({ provider }: MachineWorld, { ref }: Image): Promise<string> {
  const directory = await scratch();
  const [to, head] = [join(directory, 'disk.qcow2'), join(directory, 'head')];
  await provider.transfer?.export({ image: ref.id, to, format: 'qcow2' });
  execFileSync('qemu-img', ['dd', '-O', 'raw', 'bs=512', 'count=1', `if=${to}`, `of=${head}`]);
  return readFile(head, 'latin1');
}

/** A volume of the world's image, which has properties of ours, of others, and of a server. */
async function volume({ provider, run, labels, image }: MachineWorld) {
  await provider.images.update(image.ref.id, {
    description: 'The base.',
    labels: { old: 'label' },
  });
  const foreign = Object.entries({
    hw_disk_bus: 'virtio',
    instance_uuid: '0',
    image_type: 'snapshot',
  });
  const change = async (changes: readonly object[]) => {
    const { status } = await ask('images', 'image', `/v2/images/${image.ref.id}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/openstack-images-v2.1-json-patch' },
      body: JSON.stringify(changes),
    });
    expect(status).toBe(200);
  };
  await change(foreign.map(([key, value]) => ({ op: 'add', path: `/${key}`, value })));
  const source = { kind: 'image', image: image.ref } as const;
  const disk = await provider.disks.create({ name: run, source, labels });
  await change(foreign.map(([key]) => ({ op: 'remove', path: `/${key}` })));
  return disk;
}

describe.skipIf(missing !== undefined)('an image of a volume', () => {
  it('holds what a disk or a snapshot holds, with its own labels and nothing that was inherited of ours', async () => {
    const world = await machineWorld();
    const { provider, run, labels, image: base } = world;
    const { images } = provider;
    const disk = await volume(world);
    await writeFile(fileOf(disk.id), 'at first', { flag: 'r+' });
    const snapshot = await provider.snapshots.create({ name: run, disk: disk.id, labels });
    await writeFile(fileOf(disk.id), 'later on', { flag: 'r+' });
    const request = {
      family: run,
      staged: true,
      providerOptions,
      labels: { ...labels, made: 'here' },
    };

    const [later, first] = await Promise.all([
      images.create({ ...request, name: `${run}-d`, source: { kind: 'disk', disk: disk.id } }),
      images.create({
        ...request,
        name: `${run}-s`,
        source: { kind: 'snapshot', snapshot: snapshot.id },
        description: 'As it was at first. '.repeat(20),
      }),
    ]);
    expect(later).toMatchObject({
      name: `${run}-d`,
      family: run,
      published: false,
      status: 'READY',
      diskSizeBytes: gib,
      description: undefined,
      origin: { kind: 'disk', id: disk.id },
      native: { visibility: 'private', hw_disk_bus: 'virtio', 'imgkit:parent': base.ref.id },
    });
    expect(later.labels).toEqual(request.labels);
    expect(first.origin).toEqual({ kind: 'snapshot', id: snapshot.id });
    expect(first.description).toBe('As it was at first. '.repeat(20));
    for (const { native } of [first, later])
      expect(Object.keys(Object(native))).not.toEqual(
        expect.arrayContaining([
          expect.stringMatching(/^(?:instance_uuid|imgkit:(?:copy|unfinished))$/),
        ]),
      );
    expect(await contentOf(world, first)).toContain('at first');
    expect(await contentOf(world, later)).toContain('later on');
    // Nothing else is left of it.
    expect(await owned(provider, labels)).toEqual(
      [
        `image ${run}-base`,
        `image ${run}-d`,
        `image ${run}-s`,
        `disk ${run}`,
        `snapshot ${run}`,
      ].toSorted(),
    );
    for (const source of [
      { kind: 'disk', disk: base.ref.id },
      { kind: 'snapshot', snapshot: base.ref.id },
    ] as const)
      await expect(
        images.create({ name: `${run}-n`, source, labels }).then(String),
      ).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('is one, whatever is lost or killed on the way, and leaves no copy', async () => {
    const world = await machineWorld();
    const { provider, run, labels } = world;
    const { id: disk } = await provider.disks.create({ name: run, sizeBytes: gib, labels });
    const request = (key: string) => ({
      name: `${run}-${key}`,
      labels,
      providerOptions,
      idempotencyKey: `${run}-${key}`,
      source: { kind: 'disk', disk } as const,
    });
    const standing = [`image ${run}-base`, `disk ${run}`];

    const { proxy, options } = await proxied('volumev3');
    const trouble = 'lost answer';
    proxy.fail({ method: 'POST', path: /\/volumes$/, trouble });
    // The copy is told what its image is to be, and has it made.
    proxy.fail({ method: 'POST', path: /\/action$/, trouble, times: 2 });
    const behind = await anotherProvider(options);
    const lost = await behind.images.create(request('lost'));
    expect(proxy.pending()).toBe(0);
    expect(await owned(provider, labels)).toEqual([...standing, `image ${run}-lost`].toSorted());

    for (const asked of [/POST .*\/volumes$/, /POST .*\/action$/]) {
      const wanted = request(`killed-${asked.source.length}`);
      await killedAt(await proxied('volumev3'), asked, 'images.create', wanted);
      const made = await provider.images.create(wanted);
      expect(made.ref).not.toEqual(lost.ref);
      expect((await provider.images.create(wanted)).ref).toEqual(made.ref);
      standing.push(`image ${made.name}`);
    }
    expect(await owned(provider, labels)).toEqual([...standing, `image ${run}-lost`].toSorted());

    const stop = new AbortController();
    const aborted = provider.images.create(request('aborted'), { signal: stop.signal });
    await aborted.token();
    stop.abort();
    await expect(aborted.then(String)).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await owned(provider, labels)).toEqual([...standing, `image ${run}-lost`].toSorted());
  });

  it('is what an image of a server is that boots from it', async () => {
    const world = await machineWorld();
    const { provider, run, labels, image } = world;
    const server = await provider.instances.launch({
      name: run,
      boot: { kind: 'image', image: image.ref },
      machineType: 'tiny',
      labels,
      providerOptions: { bootVolume: true },
    });
    const source = { kind: 'instance', instance: server.id } as const;
    const request = { name: `${run}-web`, source, labels, providerOptions };
    await expect(provider.images.create(request).then(String)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('whenRunning'),
    });
    await writeFile(fileOf(server.disks[0]?.id ?? ''), 'from within', { flag: 'r+' });
    const made = await provider.images.create({
      ...request,
      source: { ...source, whenRunning: 'flush' },
    });
    expect(made).toMatchObject({
      status: 'READY',
      diskSizeBytes: gib,
      origin: { kind: 'instance', id: server.id },
      native: { 'imgkit:parent': image.ref.id },
    });
    expect((await provider.instances.get(server.id)).status).toBe('RUNNING');
    expect(await contentOf(world, made)).toContain('from within');
    expect(await owned(provider, labels)).toEqual(
      [`image ${run}-base`, `image ${run}-web`, `instance ${run}`].toSorted(),
    );
  });
});
