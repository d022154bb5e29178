import { dirname, relative, resolve } from 'node:path';

import { ImgkitError } from '../../spec/errors.ts';
import type { Extent } from '../sparse-tar.ts';
import { z } from 'zod';

import { runTool } from './tool.ts';

/** The formats that qemu-img reads and writes for us, by its own names. */
export type QemuDiskFormat = 'raw' | 'qcow2' | 'vpc' | 'vmdk' | 'vhdx';

/** How a call to qemu-img is made. */
export interface CallSettings {
  readonly signal?: AbortSignal | undefined;
}

const infoSchema = z.object({
  format: z.string(),
  'virtual-size': z.number().int().nonnegative(),
  'actual-size': z.number().int().nonnegative().default(0),
  'backing-filename': z.string().optional(),
  'full-backing-filename': z.string().optional(),
});

/** What qemu-img knows about a disk. Sizes are in bytes. */
export interface DiskInfo {
  readonly format: string;
  readonly virtualSize: number;
  readonly allocatedSize: number;
  readonly backingFile: string | undefined;
}

/** Reads the header of the disk at `path`, never those of its backing files. */
export async function readInfo(
  path: string,
  format: QemuDiskFormat,
  settings: CallSettings = {},
): Promise<DiskInfo> {
  // -U: a machine may have the disk open; the header does not change under it.
  const info = infoSchema.parse(
    await runJson(['info', '-U', '--output=json', ...opened(path, format)], settings),
  );
  const backing = info['full-backing-filename'] ?? info['backing-filename'];
  return {
    format: info.format,
    virtualSize: info['virtual-size'],
    allocatedSize: info['actual-size'],
    backingFile: backing === undefined ? undefined : resolve(backing),
  };
}

const mapSchema = z.array(
  z.object({ start: z.number(), length: z.number(), data: z.boolean(), zero: z.boolean() }),
);

/** The extents of the disk at `path` that hold data, in order and joined. */
export async function dataExtents(
  path: string,
  format: QemuDiskFormat,
  settings: CallSettings = {},
): Promise<readonly Extent[]> {
  const map = mapSchema.parse(
    await runJson(['map', '--output=json', ...opened(path, format)], settings),
  );
  const extents: { offset: number; length: number }[] = [];
  for (const { start, length, data, zero } of map) {
    if (!data || zero) continue;
    const last = extents.at(-1);
    if (last !== undefined && last.offset + last.length === start) last.length += length;
    else extents.push({ offset: start, length });
  }
  return extents;
}

const measureSchema = z.object({ required: z.number().int().nonnegative() });

/** The most bytes that a copy of the disk at `path` in the format `to` allocates, uncompressed. */
export async function measureCopy(
  path: string,
  from: QemuDiskFormat,
  settings: CallSettings = {},
): Promise<number> {
  const args = ['measure', '-U', '--output=json', '-O', 'qcow2', ...opened(path, from)];
  return measureSchema.parse(await runJson(args, settings)).required;
}

/** How a disk is copied. */
export interface ConvertOptions extends CallSettings {
  readonly from: QemuDiskFormat;
  readonly to: QemuDiskFormat;
  /** Compresses (qcow2 only). `zstd` needs QEMU 5.1 or newer to be read, `zlib` any. */
  readonly compression?: 'zstd' | 'zlib' | undefined;
  /** More format options of qemu-img, as `name=value`. */
  readonly formatOptions?: readonly string[] | undefined;
  /** Reads a disk that another process has open. The caller knows that it is not being written. */
  readonly force?: boolean | undefined;
  /** Called with the part done, from 0 to 1. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

/**
 * Copies a disk, with all its backing files, into a new standalone file.
 *
 * Compressed copies are written in order, so that the same content always gives the same file;
 * others are written out of order, which is faster.
 */
export async function convert(
  source: string,
  target: string,
  options: ConvertOptions,
): Promise<void> {
  const { from, to, compression, formatOptions = [], force, onProgress, signal } = options;
  const all = [...formatOptions, ...(compression ? [`compression_type=${compression}`] : [])];
  const args = ['convert', '-p', '-m', '8', '-O', to];
  if (force === true) args.push('-U');
  args.push(compression === undefined ? '-W' : '-c');
  if (all.length > 0) args.push('-o', all.join(','));
  let last = -1;
  const onOutput = (text: string): void => {
    const percent = Number(/\(([\d.]+)\/100%\)[^(]*$/.exec(text)?.[1] ?? Number.NaN);
    if (Number.isNaN(percent) || percent <= last) return;
    last = percent;
    onProgress?.(percent / 100);
  };
  await runTool('qemu-img', [...args, ...opened(source, from), resolve(target)], {
    signal,
    onOutput,
  });
}

/**
 * Makes a new disk at `path` whose content is that of the qcow2 file `backing` until it is written to.
 * It names it relative to its own place, so that both can be moved together.
 */
export async function createOverlay(
  path: string,
  backing: string,
  options: CallSettings & { readonly virtualSize?: number | undefined } = {},
): Promise<void> {
  const size = options.virtualSize === undefined ? [] : [String(options.virtualSize)];
  const args = [
    'create',
    '-q',
    '-f',
    'qcow2',
    '-F',
    'qcow2',
    '-b',
    relative(dirname(resolve(path)), resolve(backing)),
  ];
  await runTool('qemu-img', [...args, resolve(path), ...size], options);
}

/** Makes a new empty qcow2 disk of `virtualSize` bytes. */
export async function createEmpty(
  path: string,
  virtualSize: number,
  settings: CallSettings = {},
): Promise<void> {
  const args = ['create', '-q', '-f', 'qcow2', resolve(path), String(virtualSize)];
  await runTool('qemu-img', args, settings);
}

/** Grows the qcow2 disk at `path` to `virtualSize` bytes; shrinking is refused by qemu-img. */
export async function growDisk(
  path: string,
  virtualSize: number,
  settings: CallSettings = {},
): Promise<void> {
  const args = ['resize', '-q', '-f', 'qcow2', resolve(path), String(virtualSize)];
  await runTool('qemu-img', args, settings);
}

/**
 * Checks the inner structure of the qcow2 file at `path`.
 *
 * @returns What is wrong, or `undefined` when nothing is.
 */
export async function checkDisk(
  path: string,
  settings: CallSettings = {},
): Promise<string | undefined> {
  const args = ['check', '-q', '-U', '-f', 'qcow2', resolve(path)];
  try {
    // 3 is leaked clusters only: wasted space, no damage.
    await runTool('qemu-img', args, { ...settings, exitCodes: [0, 3] });
    return undefined;
  } catch (error) {
    if (!ImgkitError.is(error) || error.providerCode === undefined) throw error;
    return error.message;
  }
}

/**
 * A disk to be read. The format is always given: guessing it is how a forged raw disk reads other files.
 * Of a VHD the size is believed, not its geometry, which may be smaller, and would cut the disk off.
 */
function opened(path: string, format: QemuDiskFormat): string[] {
  const absolute = resolve(path);
  if (format !== 'vpc') return ['-f', format, absolute];
  const name = absolute.replaceAll(',', ',,');
  const options = ['driver=vpc', 'force_size_calc=current_size', 'file.driver=file'];
  return ['--image-opts', [...options, `file.filename=${name}`].join(',')];
}

async function runJson(args: readonly string[], settings: CallSettings): Promise<unknown> {
  const text = await runTool('qemu-img', args, settings);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ImgkitError('PROTOCOL', `qemu-img ${args[0]} did not answer with JSON`, { cause });
  }
}
