import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';

const block = 512;

/**
 * The size of the `disk.raw` in a gzipped tar file, in bytes, as its header tells. Google takes exactly one file of
 * that name, at the start of the archive.
 *
 * @throws `Error` when the file is no such archive.
 */
export async function archivedDiskSize(path: string): Promise<number> {
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
  } finally {
    source.destroy();
  }
  if (head.length < block || head.toString('latin1', 257, 262) !== 'ustar') {
    throw new Error('It holds no tar archive.');
  }
  const name = head.toString('utf8', 0, 100).replace(/\0.*$/s, '');
  if (name.replace(/^\.\//, '') !== 'disk.raw') {
    throw new Error(`Its first file is "${name}", and must be "disk.raw".`);
  }
  // A sparse file of the old GNU format (`tar --format=oldgnu -S`) has its own size elsewhere than what it takes here.
  const isSparse = head.toString('latin1', 156, 157) === 'S';
  return readSize(isSparse ? head.subarray(483, 495) : head.subarray(124, 136));
}

/** Octal text, or, from 8 GiB on, a binary number marked by its first bit. */
function readSize(field: Buffer): number {
  if (((field[0] ?? 0) & 0x80) === 0) {
    return Number.parseInt(field.toString('latin1').replace(/[\0 ].*$/s, ''), 8);
  }
  return Number(field.readBigUInt64BE(4));
}
