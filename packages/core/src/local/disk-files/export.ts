import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { throwIfAborted } from '../../plugin/operation.ts';
import { gzip } from '../gzip.ts';
import { sparseTar } from '../sparse-tar.ts';

import { writeAtomically } from './atomic-file.ts';
import { convert, dataExtents, measureCopy, readInfo, type QemuDiskFormat } from './qemu-img.ts';
import { requireSpace, type FreeSpace } from './space.ts';
import { appendVhdFooter } from './vhd.ts';

/**
 * What a disk can be written as: raw (sparse), qcow2 (zlib, for every QEMU), VHD (dynamic), VMDK
 * (streamOptimized), the tar.gz of a `disk.raw` that Google takes, the fixed VHD that Azure takes.
 */
export type ExportFormat = 'raw' | 'qcow2' | 'vhd' | 'vmdk' | 'gce-tar' | 'azure-vhd';

/** How a disk is written. */
export interface ExportOptions {
  readonly format: ExportFormat;
  /** Replaces an existing file. */
  readonly overwrite?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the part done, from 0 to 1. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
  readonly freeSpace?: FreeSpace | undefined;
}

const gibibyte = 2 ** 30;

/** Writes the disk at `source` to the file `target`, whole or not at all. */
export async function exportDisk(
  source: { readonly path: string; readonly format: QemuDiskFormat },
  target: string,
  options: ExportOptions,
): Promise<void> {
  const { signal, onProgress } = options;
  throwIfAborted(signal, 'export');
  const needed = await measureCopy(source.path, source.format, { signal });
  await writeAtomically(
    target,
    async (temporary) => {
      await requireSpace(dirname(resolve(target)), needed, options.freeSpace);
      if (options.format === 'gce-tar') return writeGceTar(source, temporary, options);
      const from = source.format;
      const common = { from, signal, onProgress };
      switch (options.format) {
        case 'raw':
          return convert(source.path, temporary, { ...common, to: 'raw' });
        case 'qcow2':
          return convert(source.path, temporary, { ...common, to: 'qcow2', compression: 'zlib' });
        case 'vhd': {
          const formatOptions = ['subformat=dynamic', 'force_size'];
          return convert(source.path, temporary, { ...common, to: 'vpc', formatOptions });
        }
        case 'vmdk': {
          const formatOptions = ['subformat=streamOptimized'];
          return convert(source.path, temporary, { ...common, to: 'vmdk', formatOptions });
        }
        case 'azure-vhd':
          await convert(source.path, temporary, { ...common, to: 'raw' });
          return appendVhdFooter(temporary);
      }
    },
    options,
  );
}

/** Google takes a gzipped old-GNU tar with the one member `disk.raw`, whose size is whole GiB. */
async function writeGceTar(
  source: { readonly path: string; readonly format: QemuDiskFormat },
  target: string,
  options: ExportOptions,
): Promise<void> {
  const { signal, onProgress } = options;
  const raw = `${target}.raw`;
  try {
    let path = source.path;
    if (source.format !== 'raw') {
      const toFraction = (fraction: number): void => onProgress?.(fraction / 4);
      await convert(path, raw, { from: source.format, to: 'raw', signal, onProgress: toFraction });
      path = raw;
    }
    const [{ virtualSize }, extents] = await Promise.all([
      readInfo(path, 'raw', { signal }),
      dataExtents(path, 'raw', { signal }),
    ]);
    const size = Math.ceil(virtualSize / gibibyte) * gibibyte;
    const tar = sparseTar(
      { path, name: 'disk.raw', size, extents },
      { signal, onProgress: (done, total) => onProgress?.(0.25 + (0.75 * done) / total) },
    );
    await pipeline(gzip(tar), createWriteStream(target, { flags: 'wx', mode: 0o644 }), { signal });
  } catch (error) {
    throwIfAborted(signal, 'export');
    throw error;
  } finally {
    await rm(raw, { force: true });
  }
}
