import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { freshProvider, makeImage, names } from '../test/local-provider.ts';
import { refusal, run, virtualSize } from '../test/scratch.ts';
import { problems } from '../test/store-fixture.ts';

describe('a disk', () => {
  it('is empty, or has the content of an image or a snapshot, and can be larger', async () => {
    const provider = await freshProvider();
    const { disks, snapshots, context } = provider;
    const image = await makeImage(provider, 'web-1');
    const empty = await disks.create({ name: 'empty', sizeBytes: 3 * 2 ** 20 });
    expect(empty).toMatchObject({ status: 'READY', sizeBytes: 3 * 2 ** 20, instances: [] });
    const source = { kind: 'image', image: image.ref } as const;
    const grown = await disks.create({
      name: 'grown',
      source,
      sizeBytes: 2 ** 21,
      labels: { a: 'b' },
    });
    expect(grown).toMatchObject({ sizeBytes: 2 ** 21, image: image.ref, labels: { a: 'b' } });
    const { layout } = await context.store();
    const files = (await readdir(layout.disks)).map((name) => join(layout.disks, name));
    const sizes = await Promise.all(files.map((path) => virtualSize(path, 'qcow2')));
    expect(sizes.toSorted((a, b) => a - b)).toEqual([2 ** 21, 3 * 2 ** 20]);

    const snapshot = await snapshots.create({ name: 's', disk: grown.id, labels: { x: 'y' } });
    expect(snapshot).toMatchObject({ disk: grown.id, diskSizeBytes: 2 ** 21, status: 'READY' });
    await disks.delete(grown.id);
    const again = { kind: 'snapshot', snapshot: snapshot.id } as const;
    const restored = await disks.create({ name: 'restored', source: again });
    expect(restored).toMatchObject({ sizeBytes: 2 ** 21, image: image.ref });
    expect(await names(disks.list())).toEqual(['restored', 'empty']);
    expect(await names(disks.list({ name: 'empty' }))).toEqual(['empty']);
    expect(await names(snapshots.list({ disk: grown.id, labels: { x: 'y' } }))).toEqual(['s']);
    expect(await names(snapshots.list({ disk: 'another' }))).toEqual([]);
    await snapshots.delete(snapshot.id);
    await snapshots.delete(snapshot.id);
    // The disk goes on: its overlay keeps the blob.
    expect(await problems(await context.store())).toEqual([]);
    const path =
      (await readdir(layout.disks)).find((file) => !files.includes(join(layout.disks, file))) ?? '';
    await run('qemu-img', 'check', '-q', join(layout.disks, path));
    await run('rm', join(layout.disks, path));
    expect(await problems(await context.store())).toHaveLength(1);
  });

  it('that lacks a size, is smaller than its source, or whose source is not there is refused', async () => {
    const provider = await freshProvider();
    const { disks } = provider;
    const image = await makeImage(provider, 'web-1');
    const source = { kind: 'image', image: image.ref } as const;
    expect(await refusal(disks.create({ name: 'a' }))).toMatch(/^INVALID_ARGUMENT.*needs a size/);
    expect(await refusal(disks.create({ name: 'a', source, sizeBytes: 512 }))).toMatch(/^INVALID/);
    expect(await refusal(disks.create({ name: 'a', sizeBytes: -1 }))).toMatch(/^INVALID_ARGUMENT/);
    const missing = { kind: 'snapshot', snapshot: 'projects/default/snapshots/x' } as const;
    expect(await refusal(disks.create({ name: 'a', source: missing }))).toMatch(/^NOT_FOUND/);
    expect(await names(disks.list())).toEqual([]);
    expect(await readdir((await provider.context.store()).layout.disks)).toEqual([]);
  });

  it('that is attached is not deleted, and its snapshot is taken through the machine', async () => {
    const provider = await freshProvider();
    const { disks, snapshots, machines, context } = provider;
    const disk = await disks.create({ name: 'data', sizeBytes: 2 ** 20 });
    const { layout } = await context.store();
    const [file = ''] = await readdir(layout.disks);
    const attached = { id: disk.id, path: join(layout.disks, file), sizeBytes: 2 ** 20 };
    machines.all.set('vm', { running: true, disks: [attached] });
    expect((await disks.get(disk.id)).instances).toEqual(['vm']);
    expect(await refusal(disks.delete(disk.id))).toMatch(/^IN_USE.*vm/);
    await snapshots.create({ name: 's', disk: disk.id });
    expect(machines.captures).toHaveLength(1);
    expect(machines.held).toBe(0);
    machines.all.clear();
    await disks.delete(disk.id);
    await disks.delete(disk.id);
    expect(await readdir(layout.disks)).toEqual([]);
  });
});

describe('a machine image', () => {
  it('has every disk and the configuration, and is restored with overrides', async () => {
    const provider = await freshProvider();
    const { machineImages, machines, context } = provider;
    const image = await makeImage(provider, 'web-1');
    const store = await context.store();
    const paths = ['boot', 'data'].map((name) => join(store.layout.instances, `${name}.qcow2`));
    for (const path of paths) await store.overlays.create(path, image.digest?.slice(7) ?? '');
    await run('qemu-io', '-f', 'qcow2', '-c', 'write -P 5 600k 4k', paths[1] ?? '');
    const disks = paths.map((path, index) => ({ id: `d${index}`, path, sizeBytes: 2 ** 20 }));
    machines.all.set('vm', { running: true, disks, image: image.ref.id });

    const backup = await machineImages.create({
      name: 'backup',
      instance: 'vm',
      consistency: 'application',
    });
    expect(backup).toMatchObject({
      status: 'READY',
      instance: 'vm',
      machineType: '2x512',
      disks: [
        { boot: true, sizeBytes: 2 ** 20 },
        { boot: false, sizeBytes: 2 ** 20 },
      ],
    });
    expect(machines.captures[0]).toMatchObject({ disks: 'all', whenRunning: 'flush' });
    expect(machines.held).toBe(0);
    expect((await provider.usage.of(image.ref.id)).users.map(({ kind }) => kind)).toEqual([
      'machine-image',
    ]);

    machines.all.clear();
    for (const path of paths) await store.overlays.remove(path);
    await provider.images.delete(image.ref.id);
    const operation = machineImages.restore({
      machineImage: backup.id,
      name: 'clone',
      machineType: 'big',
    });
    expect(await operation.token()).toBe('instances.launch clone');
    expect(await operation).toMatchObject({ name: 'clone', machineType: 'big' });
    const [restored] = machines.restored;
    expect(restored?.configuration).toEqual({ cpus: 2, ports: [80] });
    expect(restored?.disks.map(({ boot }) => boot)).toEqual([true, false]);
    const digests = restored?.disks.map(({ digest }) => digest) ?? [];
    expect(new Set(digests).size).toBe(2);
    for (const digest of digests) expect(existsSync(store.blobs.path(digest))).toBe(true);

    expect(await names(machineImages.list({ instance: 'vm' }))).toEqual(['backup']);
    await machineImages.delete(backup.id);
    expect(await readdir(store.layout.blobs)).toEqual([]);
    expect(await refusal(machineImages.restore({ machineImage: backup.id, name: 'x' }))).toMatch(
      /^NOT_FOUND/,
    );
  });

  it('of no instance leaves nothing', async () => {
    const { machineImages } = await freshProvider();
    expect(await refusal(machineImages.create({ name: 'b', instance: 'none' }))).toMatch(
      /^NOT_FOUND/,
    );
    expect(await names(machineImages.list())).toEqual([]);
  });
});
