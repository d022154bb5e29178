import { open, type FileHandle } from 'node:fs/promises';

import { ImgkitError } from '../../spec/errors.ts';

import { fileError } from '../system-errors.ts';
import type { QemuDiskFormat } from './qemu-img.ts';

const sector = 512;
/** Larger disks are refused: nothing here makes them, and a forged size costs memory and time. */
const maxVirtualSize = 64 * 2 ** 40;

/**
 * Tells the format of the disk file at `path` by its content; its name is never trusted.
 *
 * A disk that makes its reader open other files (a backing file, an external data file, extents
 * elsewhere) is refused: whoever made such a file could read this machine's files with it.
 *
 * @param expected - Refuse the file unless it is of this format.
 * @throws `INVALID_ARGUMENT` for a file that isn't what was expected, is cut off, or points elsewhere;
 * `UNSUPPORTED` for formats we know but don't read; `NOT_FOUND` when there is no such file.
 */
export async function detectFormat(
  path: string,
  expected?: QemuDiskFormat,
): Promise<QemuDiskFormat> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    throw fileError(error, path);
  }
  try {
    const { size } = await file.stat();
    const found = await detect(file, size, path);
    if (expected !== undefined && expected !== found)
      throw refuse(path, `is ${names[found]}, not ${names[expected]}`);
    return found;
  } catch (error) {
    throw fileError(error, path);
  } finally {
    await file.close();
  }
}

const names: Readonly<Record<QemuDiskFormat, string>> = {
  raw: 'a raw disk',
  qcow2: 'a qcow2 disk',
  vpc: 'a VHD disk',
  vmdk: 'a VMDK disk',
  vhdx: 'a VHDX disk',
};

async function detect(file: FileHandle, size: number, path: string): Promise<QemuDiskFormat> {
  if (size === 0) throw refuse(path, 'is empty');
  const head = await read(file, 0, 4096);
  const magic = head.toString('latin1', 0, 8);
  if (magic.startsWith('QFI\xfb')) return checkQcow2(head, path);
  if (magic.startsWith('KDMV')) return checkVmdk(file, head, path);
  if (/^# ?disk descriptorfile/i.test(head.toString('latin1', 0, 64)))
    throw refuse(path, 'is a VMDK descriptor whose data is in other files', importSparse);
  if (magic === 'conectix') return checkVhd(head, path);
  // QEMU reads none that needs a parent.
  if (magic === 'vhdxfile') return 'vhdx';
  for (const [known, name] of unsupported) if (magic.startsWith(known)) throw unread(path, name);
  if (head.length > 68 && head.readUInt32LE(64) === 0xbeda107f) throw unread(path, 'VDI');
  // A fixed VHD is a raw disk with a footer; old writers left out the footer's last byte.
  for (const length of [512, 511]) {
    if (size <= length) continue;
    const footer = await read(file, size - length, length);
    if (footer.toString('latin1', 0, 8) === 'conectix') return checkVhd(footer, path);
  }
  if (size % sector !== 0)
    throw refuse(
      path,
      `is not a disk: its size, ${size} bytes, is not a whole number of 512-byte sectors`,
    );
  return 'raw';
}

const unsupported: readonly (readonly [string, string])[] = [
  ['COWD', 'a VMDK of ESX'],
  ['LUKS\xba\xbe', 'an encrypted LUKS disk'],
  ['\x1f\x8b', 'a gzip file'],
  ['\xfd7zXZ\x00', 'an xz file'],
  ['PK\x03\x04', 'a zip file'],
  ['(\xb5/\xfd', 'a zstd file'],
];

const importSparse = 'Convert it to a monolithicSparse or streamOptimized VMDK first.';
const flatten = 'Flatten it first where you trust it: qemu-img convert -O qcow2 disk flat.qcow2';

function checkQcow2(head: Buffer, path: string): QemuDiskFormat {
  if (head.length < 72) throw refuse(path, 'is a qcow2 file that is cut off');
  const version = head.readUInt32BE(4);
  if (version !== 2 && version !== 3) throw unread(path, `qcow version ${version}`);
  if (head.readBigUInt64BE(8) !== 0n)
    throw refuse(path, 'is a qcow2 overlay with a backing file', flatten);
  checkVirtualSize(head.readBigUInt64BE(24), path);
  if (head.readUInt32BE(32) !== 0) throw unread(path, 'an encrypted qcow2 disk');
  if (version === 3 && head.length >= 80) {
    const incompatible = head.readBigUInt64BE(72);
    if ((incompatible & 4n) !== 0n)
      throw refuse(path, 'is a qcow2 file whose data is in another file', flatten);
    if ((incompatible & 2n) !== 0n)
      throw refuse(path, 'is marked corrupt', 'Repair it: qemu-img check -r all disk');
  }
  return 'qcow2';
}

async function checkVmdk(file: FileHandle, head: Buffer, path: string): Promise<QemuDiskFormat> {
  if (head.length < sector) throw refuse(path, 'is a VMDK file that is cut off');
  const capacity = head.readBigUInt64LE(12);
  // QEMU takes a header without capacity for a descriptor that may name any file.
  if (capacity === 0n) throw refuse(path, 'is a VMDK without a disk of its own', importSparse);
  checkVirtualSize(capacity * BigInt(sector), path);
  const descriptors = [head.readBigUInt64LE(28)];
  // A streamOptimized file has a second header at its end, which QEMU believes over the first.
  const { size } = await file.stat();
  if (size > 3 * sector) {
    const footer = await read(file, size - 2 * sector, sector);
    if (footer.toString('latin1', 0, 4) === 'KDMV') {
      checkVirtualSize(footer.readBigUInt64LE(12) * BigInt(sector), path);
      descriptors.push(footer.readBigUInt64LE(28));
    }
  }
  for (const start of descriptors) {
    if (start > BigInt(size)) throw refuse(path, 'is a VMDK file that is cut off');
    const text = await read(file, Number(start) * sector, 20 * sector);
    const descriptor = text.toString('latin1');
    if (/parentFileNameHint/i.test(descriptor))
      throw refuse(path, 'is a VMDK that needs a parent disk', flatten);
    const extents = descriptor.match(/^\s*(RW|RDONLY|NOACCESS)\s+\d+\s+\w+/gm) ?? [];
    if (extents.length > 1 || extents.some((extent) => !extent.endsWith('SPARSE')))
      throw refuse(path, 'is a VMDK whose data is in other files', importSparse);
  }
  return 'vmdk';
}

function checkVhd(footer: Buffer, path: string): QemuDiskFormat {
  if (footer.length < 64) throw refuse(path, 'is a VHD file that is cut off');
  checkVirtualSize(footer.readBigUInt64BE(48), path);
  const type = footer.readUInt32BE(60);
  if (type === 4) throw refuse(path, 'is a differencing VHD that needs a parent disk', flatten);
  if (type !== 2 && type !== 3) throw unread(path, `a VHD of type ${type}`);
  return 'vpc';
}

function checkVirtualSize(size: bigint, path: string): void {
  if (size === 0n) throw refuse(path, 'says that its disk has no bytes');
  if (size > BigInt(maxVirtualSize))
    throw refuse(path, `says that its disk has ${size} bytes, more than 64 TiB`);
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}

function refuse(path: string, what: string, hint?: string): ImgkitError {
  return new ImgkitError('INVALID_ARGUMENT', `${path} ${what}`, { resource: path, hint });
}

function unread(path: string, what: string): ImgkitError {
  return new ImgkitError('UNSUPPORTED', `${path} is ${what}, which is not read`, {
    resource: path,
    hint: 'Supported: raw, qcow2, VHD (fixed and dynamic), VHDX and VMDK (monolithicSparse and streamOptimized).',
  });
}
