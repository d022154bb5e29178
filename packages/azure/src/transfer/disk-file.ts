import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';

import { ImgkitError, type OperationControl } from '@imgkit/core';
import {
  alignedVhdSize,
  detectFormat,
  fileError,
  rawCopy,
  readFixedVhd,
  readInfo,
  vhdFooter,
  type QemuDiskFormat,
} from '@imgkit/core/local';

/** The largest disk that a VHD can hold at Azure, in bytes: 4095 GiB. */
const largest = 4095 * 2 ** 30;
const mib = 2 ** 20;

/** A disk file of this machine that can become a fixed VHD. */
export interface DiskFile {
  readonly path: string;
  readonly format: QemuDiskFormat;
  /** The size of its disk, in bytes: a whole number of MiB. */
  readonly diskSize: number;
  /** Its own footer, where it is a fixed VHD already. */
  readonly footer: Buffer | undefined;
  /** What changes when the file does: a digest of its place, its size and when it was written. */
  readonly identity: string;
}

/** The disk of a file as it lies on this machine: its bytes, from the first one on, and what is past their end is zero. */
export interface RawDisk extends AsyncDisposable {
  readonly path: string;
  readonly diskSize: number;
  /** The footer that makes it a fixed VHD. */
  readonly footer: Buffer;
}

/**
 * Looks at a disk file: at its first and last bytes.
 *
 * @param expected - What it is said to be.
 * @throws {@link ImgkitError} with `NOT_FOUND`, `PERMISSION_DENIED`, `UNSUPPORTED`, or `INVALID_ARGUMENT` if it isn't
 *   what it is said to be, is cut off, points at other files, or is too large.
 */
export async function inspectDisk(path: string, expected?: QemuDiskFormat): Promise<DiskFile> {
  const format = await detectFormat(path, expected);
  const identity = await identityOf(path);
  const fixed = format === 'vpc' ? await readFixedVhd(path) : undefined;
  const size = fixed?.diskSize ?? (await virtualSize(path, format));
  if (fixed !== undefined && size % mib !== 0)
    throw new ImgkitError(
      'INVALID_ARGUMENT',
      `${path} is a VHD whose disk has ${size} bytes, which is not a whole number of MiB`,
      {
        resource: path,
        hint: 'Azure takes no other. Make a raw disk of it, which is rounded up: qemu-img convert -f vpc -O raw disk.vhd disk.raw',
      },
    );
  const diskSize = alignedVhdSize(size);
  if (diskSize <= largest) return { path, format, diskSize, footer: fixed?.footer, identity };
  throw new ImgkitError(
    'INVALID_ARGUMENT',
    `the disk of ${path} has ${size} bytes, a VHD at Azure at most 4095 GiB`,
    { resource: path },
  );
}

async function virtualSize(path: string, format: QemuDiskFormat): Promise<number> {
  if (format === 'raw') return (await stat(path)).size;
  return (await readInfo(path, format)).virtualSize;
}

async function identityOf(path: string): Promise<string> {
  const { size, mtimeNs, dev, ino } = await stat(path, { bigint: true }).catch((error: unknown) => {
    throw fileError(error, path);
  });
  return createHash('sha256').update([size, mtimeNs, dev, ino].join(' ')).digest('hex');
}

/** @throws {@link ImgkitError} with `FAILED_PRECONDITION` if the file was written since it was looked at. */
export async function requireUnchanged({ path, identity }: DiskFile): Promise<void> {
  if ((await identityOf(path)) === identity) return;
  throw new ImgkitError('FAILED_PRECONDITION', `${path} was changed while it was uploaded`, {
    resource: path,
    hint: 'Stop what writes to it, and try again.',
  });
}

/**
 * Makes the bytes of a disk readable. Raw disks and fixed VHDs are where they are; of others a sparse copy is made among the
 * temporary files, which goes with the disk, or with the next one after a crash.
 */
export async function openDisk(
  file: DiskFile,
  { signal, progress }: Pick<OperationControl, 'signal' | 'progress'>,
): Promise<RawDisk> {
  const { path, format, diskSize, identity } = file;
  const id = Buffer.from(identity, 'hex').subarray(0, 16);
  const footer = file.footer ?? vhdFooter(diskSize, { id });
  const opened = { diskSize, footer };
  if (format === 'raw' || file.footer !== undefined)
    return { ...opened, path, [Symbol.asyncDispose]: async () => undefined };
  const onProgress = (fraction: number): void => progress('unpacking the disk', fraction / 10);
  return { ...opened, ...(await rawCopy(path, { from: format, signal, onProgress })) };
}
