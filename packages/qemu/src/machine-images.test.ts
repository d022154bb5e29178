import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { freshProvider, makeImage, names } from '../test/local-provider.ts';
import { refusal, run } from '../test/scratch.ts';

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
    expect(machines.captures[0]).toMatchObject({ disks: 'all', whenRunning: 'freeze' });
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
