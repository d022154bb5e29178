import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { failure, makeRaw, run, scratch, virtualSize } from '../../../test/scratch.ts';
import { exportDisk, type ExportFormat } from './export.ts';
import { convert } from './qemu-img.ts';

const mebibyte = 2 ** 20;
const size = 20 * mebibyte + 512;

async function full(): Promise<number> {
  return 1000;
}

async function source() {
  const directory = await scratch();
  const raw = await makeRaw(join(directory, 'source.raw'), size, [
    { at: 0, length: 4096 },
    { at: 10 * mebibyte, length: mebibyte },
  ]);
  const path = join(directory, 'source.qcow2');
  await convert(raw, path, { from: 'raw', to: 'qcow2', compression: 'zstd' });
  return { directory, raw, disk: { path, format: 'qcow2' } as const };
}

describe('export', () => {
  it.each([
    ['raw', 'raw', size],
    ['qcow2', 'qcow2', size],
    ['vhd', 'vpc', size],
    ['vmdk', 'vmdk', size],
    ['azure-vhd', 'vpc', 21 * mebibyte],
  ] as const)('writes the same disk as %s, with progress', async (format, reader, expected) => {
    const { directory, raw, disk } = await source();
    const target = join(directory, 'target');
    const seen: number[] = [];
    await exportDisk(disk, target, { format, onProgress: (fraction) => seen.push(fraction) });
    expect(await virtualSize(target, reader)).toBe(expected);
    await run('qemu-img', 'compare', '-f', 'raw', '-F', reader, raw, target);
    expect(seen.at(-1)).toBe(1);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(await readdir(directory)).toEqual(['source.qcow2', 'source.raw', 'target']);
  });

  it('writes a tar.gz whose only member is a disk.raw of whole GiB', async () => {
    const { directory, raw, disk } = await source();
    const target = join(directory, 'disk.tar.gz');
    await exportDisk(disk, target, { format: 'gce-tar' });
    expect(await run('tar', '-tzf', target)).toBe('disk.raw\n');
    await run('tar', '-xzSf', target, '-C', directory);
    const unpacked = join(directory, 'disk.raw');
    expect((await stat(unpacked)).size).toBe(2 ** 30);
    await run('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', raw, unpacked);
  });

  it('reads with QEMU before 5.1: zlib, not zstd', async () => {
    const { directory, disk } = await source();
    const target = join(directory, 'target');
    await exportDisk(disk, target, { format: 'qcow2' });
    expect(await run('qemu-img', 'info', target)).toMatch(/compression type: zlib/);
  });

  it('never replaces a file unless asked to', async () => {
    const { directory, disk } = await source();
    const target = join(directory, 'target');
    await writeFile(target, 'precious');
    const error = await failure(exportDisk(disk, target, { format: 'raw' }));
    expect(error.code).toBe('ALREADY_EXISTS');
    await exportDisk(disk, target, { format: 'raw', overwrite: true });
    expect(await virtualSize(target, 'raw')).toBe(size);
  });

  it.each(['raw', 'azure-vhd', 'gce-tar'] satisfies ExportFormat[])(
    'leaves nothing behind when it is aborted half-way: %s',
    async (format) => {
      const { directory, disk } = await source();
      const controller = new AbortController();
      const { signal } = controller;
      const onProgress = (): void => controller.abort();
      const target = join(directory, 'target');
      const error = await failure(exportDisk(disk, target, { format, signal, onProgress }));
      expect(error.code).toBe('CANCELLED');
      expect(await readdir(directory)).toEqual(['source.qcow2', 'source.raw']);
    },
  );

  it('refuses what does not fit before anything is written', async () => {
    const { directory, disk } = await source();
    const target = join(directory, 'target');
    const error = await failure(exportDisk(disk, target, { format: 'raw', freeSpace: full }));
    expect(error.code).toBe('QUOTA_EXCEEDED');
    expect(await readdir(directory)).toEqual(['source.qcow2', 'source.raw']);
  });
});
