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
