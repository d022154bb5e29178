import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { failure, makeRaw, refusal, run, scratch } from '../../test/scratch.ts';
import { openStore, problems, register, stageRandom } from '../../test/store-fixture.ts';
import { LocalStore } from './local-store.ts';

async function* tooMuch() {
  for (let chunk = 0; chunk < 10; chunk++) yield randomBytes(2 ** 20);
}

function throwNo(): never {
  throw new Error('no');
}

describe('a store', () => {
  it('is private, also when its directory was not', async () => {
    const root = join(await scratch(), 'store');
    await mkdir(root, { mode: 0o755 });
    await chmod(root, 0o755);
    const store = await openStore(root);
    const directories = ['', 'blobs', 'tmp', 'disks', 'instances', 'bases', 'warm'];
    for (const name of directories)
      expect((await stat(join(store.layout.root, name))).mode & 0o777).toBe(0o700);
  });

  it('keeps a disk once, whatever format it comes in, file or stream', async () => {
    const store = await openStore();
    const directory = await scratch();
    const raw = await makeRaw(join(directory, 'raw'), 2 ** 22, [{ at: 2 ** 20, length: 300_000 }]);
    const vmdk = join(directory, 'disk.raw');
    await run(
      'qemu-img',
      'convert',
      '-f',
      'raw',
      '-O',
      'vmdk',
      '-o',
      'subformat=streamOptimized',
      raw,
      vmdk,
    );
    const staged = [
      await store.blobs.stageFile(raw),
      await store.blobs.stageFile(vmdk),
      await store.blobs.stageStream(createReadStream(raw)),
    ];
    for (const [index, blob] of staged.entries()) register(store, `image-${index}`, blob);
    const [name, ...more] = await readdir(store.layout.blobs);
    expect(more).toEqual([]);
    expect(name).toBe(`${staged[0]?.digest}.qcow2`);
    expect(await readdir(store.layout.tmp)).toEqual([]);
    const blob = store.blobs.get(staged[0]?.digest ?? '');
    expect(blob.virtualSize).toBe(2 ** 22);
    const file = await stat(store.blobs.path(blob.digest));
    expect(file.mode & 0o777).toBe(0o444);
    expect(file.size).toBe(blob.size);
    await run(
      'qemu-img',
      'compare',
      '-f',
      'raw',
      '-F',
      'qcow2',
      raw,
      store.blobs.path(blob.digest),
    );
    expect(await problems(store)).toEqual([]);
  });

  it('flattens a disk of its own, so that a blob never depends on another', async () => {
    const store = await openStore();
    const staged = await stageRandom(store);
    register(store, 'one', staged);
    const disk = join(store.layout.disks, 'disk.qcow2');
    await store.overlays.create(disk, staged.digest);
    await run('qemu-io', '-f', 'qcow2', '-c', 'write -P 7 512k 4k', disk);
    const flat = await store.blobs.stageDisk(disk, { format: 'qcow2' });
    register(store, 'two', flat);
    expect(flat.digest).not.toBe(staged.digest);
    const info = await run('qemu-img', 'info', store.blobs.path(flat.digest));
    expect(info).not.toMatch(/backing/);
  });

  it('leaves nothing when taking a disk in fails or is aborted', async () => {
    const store = await openStore();
    const path = await makeRaw(join(await scratch(), 'raw'), 2 ** 24, [{ at: 0, length: 2 ** 23 }]);
    const controller = new AbortController();
    const { signal } = controller;
    const onProgress = (): void => controller.abort();
    expect((await failure(store.blobs.stageFile(path, { signal, onProgress }))).code).toBe(
      'CANCELLED',
    );
    const stream = createReadStream(path);
    const wrong = store.blobs.stageStream(stream, { expected: 'qcow2' });
    expect((await failure(wrong)).code).toBe('INVALID_ARGUMENT');
    expect(await readdir(store.layout.tmp)).toEqual([]);
  });

  it('refuses a disk that does not fit before anything is written', async () => {
    const root = join(await scratch(), 'store');
    using store = await LocalStore.open(root, { freeSpace: async () => 100_000 });
    const path = await makeRaw(join(await scratch(), 'raw'), 2 ** 20, [{ at: 0, length: 500_000 }]);
    expect(await refusal(store.blobs.stageFile(path))).toMatch(
      /^QUOTA_EXCEEDED: .*100000 bytes left/,
    );
    expect(
      await refusal(store.blobs.stageStream(createReadStream(path), { size: 2 ** 20 })),
    ).toMatch(/^QUOTA_EXCEEDED/);
    expect(await readdir(store.layout.tmp)).toEqual([]);
  });

  it('writes no row when registering fails, and the blob is garbage', async () => {
    const store = await openStore();
    const staged = await stageRandom(store);
    expect(() => store.blobs.commit<never>([staged], throwNo)).toThrow('no');
    expect(store.blobs.find(staged.digest)).toBeUndefined();
    expect((await store.gc()).map(({ kind }) => kind)).toEqual(['blob']);
    expect(await readdir(store.layout.blobs)).toEqual([]);
  });
});

describe('overlays', () => {
  it('are refused outside the store, smaller than their blob, and without one', async () => {
    const store = await openStore();
    const staged = await stageRandom(store);
    register(store, 'one', staged);
    const path = join(store.layout.disks, 'disk.qcow2');
    const { overlays } = store;
    expect(await refusal(overlays.create('/tmp/disk', staged.digest))).toMatch(/^INVALID_ARGUMENT/);
    expect(await refusal(overlays.create(path, staged.digest, { virtualSize: 512 }))).toMatch(
      /^INVALID_ARGUMENT: .*too small/,
    );
    expect(await refusal(overlays.create(path, '0'.repeat(64)))).toMatch(/^NOT_FOUND/);
    expect(await readdir(store.layout.disks)).toEqual([]);
    await overlays.create(path, staged.digest, { virtualSize: 2 ** 21 });
    expect(overlays.blobOf(path)).toBe(staged.digest);
    await overlays.remove(path);
    await overlays.remove(path);
    expect(overlays.blobOf(path)).toBeUndefined();
  });
});

it('a disk that turns out not to fit is an error that says so, and leaves nothing', async (test) => {
  const root = await scratch();
  try {
    await run('mount', '-t', 'tmpfs', '-o', 'size=6m,mode=700', 'imgkit-test', root);
  } catch {
    test.skip('a small file system can not be mounted here');
  }
  try {
    using store = await LocalStore.open(root);
    expect(await refusal(store.blobs.stageStream(tooMuch()))).toMatch(
      /^QUOTA_EXCEEDED: .*does not fit/,
    );
    expect(await readdir(store.layout.tmp)).toEqual([]);
    // The space asked for says yes, the file system says no: qemu-img finds out.
    using blind = await LocalStore.open(root, { freeSpace: async () => Number.MAX_SAFE_INTEGER });
    const large = await makeRaw(join(await scratch(), 'raw'), 2 ** 24, [
      { at: 0, length: 2 ** 24 },
    ]);
    expect(await refusal(blind.blobs.stageFile(large))).toMatch(/^QUOTA_EXCEEDED: .*No space left/);
    expect(await readdir(store.layout.tmp)).toEqual([]);
    expect(await problems(store)).toEqual([]);
  } finally {
    await run('umount', root);
  }
});
