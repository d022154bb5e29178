import { open } from 'node:fs/promises';

import type { DiskFormat } from '@imgkit/core';

import { invalid } from './rules.ts';

/** The formats that images are taken in. */
export const diskFormats = ['raw', 'qcow2', 'vhd', 'vmdk'] as const satisfies readonly DiskFormat[];

export type GlanceFormat = (typeof diskFormats)[number];

/** How much of the beginning, and of the end, of a disk file tells its format. */
export const headBytes = 4096;
const footerBytes = 512;

/**
 * Finds out the format of a disk file from its first and, where they are known, its last bytes.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for one that points at other files: such a file lets whoever
 *   made it read what the host of the machine can read.
 */
export function detectFormat(head: Buffer, footer?: Buffer): GlanceFormat {
  if (head.subarray(0, 4).equals(Buffer.from('QFI\xfb', 'latin1'))) {
    checkQcow2(head);
    return 'qcow2';
  }
  // A dynamic disk has a copy of its footer in front.
  if (isVhd(head) || (footer !== undefined && isVhd(footer))) return 'vhd';
  if (head.subarray(0, 4).toString('latin1') === 'KDMV') return 'vmdk';
  if (head.subarray(0, 64).toString('latin1').startsWith('# Disk DescriptorFile'))
    throw invalid(
      'the file only describes a disk that is in other files',
      'Convert it to a single file first: qemu-img convert -O qcow2.',
    );
  return 'raw';
}

function isVhd(bytes: Buffer): boolean {
  return bytes.subarray(0, 8).toString('latin1') === 'conectix';
}

/** https://gitlab.com/qemu-project/qemu/-/blob/master/docs/interop/qcow2.rst */
function checkQcow2(head: Buffer): void {
  const version = head.readUInt32BE(4);
  const backing = head.readBigUInt64BE(8);
  const externalData = version >= 3 && (head.readBigUInt64BE(72) & 4n) !== 0n;
  if (backing === 0n && !externalData) return;
  throw invalid(
    'the disk is not whole: a part of it is in another file',
    'Convert it to a single file first: qemu-img convert -O qcow2.',
  );
}

/** Finds out the format of a disk file of this machine. */
export async function fileFormat(path: string, size: number): Promise<GlanceFormat> {
  await using file = await open(path);
  const read = async (position: number, length: number): Promise<Buffer> => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
    return buffer.subarray(0, bytesRead);
  };
  const head = await read(0, headBytes);
  const footer = size >= footerBytes ? await read(size - footerBytes, footerBytes) : undefined;
  return detectFormat(padded(head), footer);
}

/** Short files have nothing where longer ones have their header. */
export function padded(head: Buffer): Buffer {
  return head.length >= headBytes
    ? head
    : Buffer.concat([head, Buffer.alloc(headBytes - head.length)]);
}

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` if a disk isn't of the format it was said to be. */
export function checkFormat(
  what: string,
  found: GlanceFormat,
  said: GlanceFormat | undefined,
): void {
  if (said === undefined || said === found) return;
  throw invalid(
    `${what} is ${found}, not ${said}`,
    `Say that it is ${found}, or give another file.`,
  );
}
