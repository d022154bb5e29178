import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';

import { ImgkitError } from '@imgkit/core';

/** What of a disk file Google takes: a raw disk, which is packed, or the packed one. */
export type UploadFormat = 'raw' | 'gce-tar';

const block = 512;
/** How the formats that aren't taken begin, or, for VHD, end. */
const foreign: readonly (readonly [name: string, magic: string, at: number])[] = [
  ['qcow2', 'QFI\u00fb', 0],
  ['vmdk', 'KDMV', 0],
  ['vmdk', '# Disk DescriptorFile', 0],
  ['vhd', 'conectix', 0],
  ['vhdx', 'vhdxfile', 0],
  ['vdi', '\u007f\u0010\u00da\u00be', 64],
];

/**
 * Finds out by its content what a disk file is.
 *
 * @param expected - What it is said to be.
 * @throws {@link ImgkitError} with `NOT_FOUND`, `PERMISSION_DENIED`, or `INVALID_ARGUMENT` if it is something else
 *   than is said, or than Google takes.
 */
export async function readFormat(
  path: string,
  expected: UploadFormat | undefined,
): Promise<UploadFormat> {
  const { head, tail, size } = await readEnds(path);
  if (size === 0) throw refuse(path, 'is empty', 'Give a disk.');
  const starts = (magic: string, at: number): boolean =>
    head.toString('latin1', at, at + magic.length) === magic;
  const other = foreign.find(([, magic, at]) => starts(magic, at))?.[0];
  const isVhd = size >= 2 * block && tail.toString('latin1', 0, 8) === 'conectix';
  if (other !== undefined || (isVhd && expected !== 'raw')) {
    throw refuse(
      path,
      `is a ${other ?? 'vhd'} file, which Google doesn't take`,
      'Make a raw disk of it: qemu-img convert -O raw <file> disk.raw.',
    );
  }
  const isPacked = head[0] === 0x1f && head[1] === 0x8b;
  if (expected === 'raw' || (!isPacked && expected === undefined)) return 'raw';
  if (!isPacked) throw refuse(path, 'is no gzipped archive', 'Say what it is: format: "raw".');
  await checkArchive(path);
  return 'gce-tar';
}

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` unless the first file of a gzipped archive is `disk.raw`. */
async function checkArchive(path: string): Promise<void> {
  const source = createReadStream(path);
  const unpacked = createGunzip();
  source.once('error', (error) => unpacked.destroy(error));
  source.pipe(unpacked);
  let head = Buffer.alloc(0);
  try {
    for await (const chunk of unpacked) {
      head = Buffer.concat([head, chunk]);
      if (head.length >= block) break;
    }
  } catch (error) {
    throw refuse(path, 'is a gzip file that can’t be unpacked', undefined, error);
  } finally {
    source.destroy();
  }
  const name = head.toString('utf8', 0, 100).replace(/\0.*$/s, '').replace(/^\.\//, '');
  if (head.toString('latin1', 257, 262) === 'ustar' && name === 'disk.raw') return;
  throw refuse(
    path,
    'is an archive that doesn’t begin with a file disk.raw',
    'Make it with: tar --format=oldgnu -Sczf image.tar.gz disk.raw.',
  );
}

async function readEnds(
  path: string,
): Promise<{ readonly head: Buffer; readonly tail: Buffer; readonly size: number }> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const head = Buffer.alloc(block);
      const tail = Buffer.alloc(block);
      const read = await file.read(head, 0, block, 0);
      await file.read(tail, 0, block, Math.max(0, size - block));
      return { head: head.subarray(0, read.bytesRead), tail, size };
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(error, path);
  }
}

const fileErrors = {
  ENOENT: 'NOT_FOUND',
  ENOTDIR: 'NOT_FOUND',
  EACCES: 'PERMISSION_DENIED',
  EPERM: 'PERMISSION_DENIED',
  EISDIR: 'INVALID_ARGUMENT',
  ENOSPC: 'QUOTA_EXCEEDED',
  EDQUOT: 'QUOTA_EXCEEDED',
} as const;

/** Converts what a call on a file of this machine threw; an imgkit error stays as it is. */
export function fileError(error: unknown, path: string): ImgkitError {
  if (ImgkitError.is(error)) return error;
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  const known = Object.entries(fileErrors).find(([name]) => name === code)?.[1];
  const message = error instanceof Error ? error.message : String(error);
  return new ImgkitError(known ?? 'OPERATION_FAILED', `${path} can't be read: ${message}`, {
    resource: path,
    cause: error,
  });
}

function refuse(path: string, what: string, hint?: string, cause?: unknown): ImgkitError {
  return new ImgkitError('INVALID_ARGUMENT', `${path} ${what}`, { resource: path, hint, cause });
}
