import { createHash } from 'node:crypto';
import { join } from 'node:path';

import type { OperationControl } from '@imgkit/core';
import {
  detectFormat,
  rawCopy,
  readInfo,
  runTool,
  temporaryDirectory,
  writeSparse,
  type QemuDiskFormat,
} from '@imgkit/core/local';

import { fileBytes, type DiskSource } from '../resources/disk-source.ts';
import { checkDigest } from '../resources/upload.ts';
import { checkSize } from './disk-upload.ts';

/** A disk to be brought to the cloud, and what its bytes must digest to, as `sha256:<hex>`. */
export interface ImportedDisk {
  readonly disk: DiskSource;
  readonly digest?: string | undefined;
}

type ConversionControl = Pick<OperationControl, 'signal' | 'progress'>;

/** What can be made a VHD of only by qemu-img. */
const foreign: Partial<Record<DiskSource['format'], QemuDiskFormat>> = {
  qcow2: 'qcow2',
  vmdk: 'vmdk',
};

/**
 * Gives a disk as the cloud can take it. Raw disks and VHDs stay as they are. Of others qemu-img makes a sparse raw
 * copy among the temporary files as soon as its bytes are wanted; it goes with them, or with the next one after a
 * crash.
 *
 * @throws {@link ImgkitError} with `FAILED_PRECONDITION` if qemu-img is not installed, `INVALID_ARGUMENT` for a disk
 *   that is too large or points at other files, before anything is made.
 */
export async function importable(
  given: ImportedDisk,
  control: ConversionControl,
): Promise<ImportedDisk> {
  const { disk } = given;
  const { signal } = control;
  const from = foreign[disk.format];
  if (from === undefined) {
    checkSize(disk.sizeBytes ?? 0);
    return given;
  }
  const sizeBytes = disk.path === undefined ? undefined : await diskBytes(disk.path, from, signal);
  // Of a disk that isn't here yet it can only be said whether it will be read.
  if (disk.path === undefined) await runTool('qemu-img', ['--version'], { signal });
  const { isRepeatable } = disk;
  const open = async () => converted(given, from, control);
  return { disk: { format: 'raw', sizeBytes, isRepeatable, open } };
}

/** The bytes of the raw disk that qemu-img makes of another. */
async function* converted(
  given: ImportedDisk,
  from: QemuDiskFormat,
  { signal, progress }: ConversionControl,
): AsyncGenerator<Uint8Array, void, undefined> {
  await using directory = await temporaryDirectory();
  const path = await fileOf(given, join(directory.path, 'disk'), signal);
  await diskBytes(path, from, signal);
  const onProgress = (fraction: number): void =>
    progress(`converting the disk: ${Math.round(fraction * 100)} %`);
  await using copy = await rawCopy(path, { from, signal, onProgress });
  yield* fileBytes(copy.path);
}

/**
 * The size of the disk in a file, in bytes. The file is looked at closely before: qemu-img opens whatever it names.
 */
async function diskBytes(
  path: string,
  format: QemuDiskFormat,
  signal: AbortSignal,
): Promise<number> {
  await detectFormat(path, format);
  const { virtualSize } = await readInfo(path, format, { signal });
  checkSize(virtualSize);
  return virtualSize;
}

/** The file that a disk is in; one that comes as a stream is written to `place`. */
async function fileOf(
  { disk, digest }: ImportedDisk,
  place: string,
  signal: AbortSignal,
): Promise<string> {
  if (disk.path !== undefined && digest === undefined) return disk.path;
  const hash = createHash('sha256');
  async function* hashed(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of await disk.open({ signal })) {
      signal.throwIfAborted();
      hash.update(chunk);
      yield chunk;
    }
  }
  if (disk.path === undefined) await writeSparse(place, hashed(), { signal });
  else for await (const _ of hashed());
  if (digest !== undefined) checkDigest(`sha256:${hash.digest('hex')}`, digest);
  return disk.path ?? place;
}
