import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';

import { ImgkitError } from '../../spec/errors.ts';

const mebibyte = 2 ** 20;
/** The largest disk Azure takes, in bytes: 4095 GiB. */
const maxSize = 4095 * 2 ** 30;
/** VHD counts seconds from 2000-01-01T00:00:00Z. */
const epoch = Date.UTC(2000, 0, 1);

/** The size of the disk of `size` bytes as a fixed VHD, without its footer: a whole number of MiB. */
export function alignedVhdSize(size: number): number {
  return Math.ceil(size / mebibyte) * mebibyte;
}

/**
 * The 512-byte footer of a fixed VHD.
 *
 * The geometry is the largest there is, which tells readers to believe the size instead.
 */
export function vhdFooter(
  size: number,
  options: { readonly createdAt?: Date | undefined; readonly id?: Buffer | undefined } = {},
): Buffer {
  const { createdAt = new Date(), id = randomBytes(16) } = options;
  const footer = Buffer.alloc(512);
  footer.write('conectix', 0, 'latin1');
  footer.writeUInt32BE(2, 8); // features: reserved bit, always set
  footer.writeUInt32BE(0x0001_0000, 12); // format version 1.0
  footer.fill(0xff, 16, 24); // no dynamic header follows
  footer.writeUInt32BE(Math.max(0, Math.floor((createdAt.getTime() - epoch) / 1000)), 24);
  footer.write('qem2', 28, 'latin1'); // a creator whose size field is meant, not its geometry
  footer.writeUInt32BE(0x0001_0000, 32);
  footer.write('Wi2k', 36, 'latin1');
  footer.writeBigUInt64BE(BigInt(size), 40); // original size
  footer.writeBigUInt64BE(BigInt(size), 48); // current size
  footer.writeUInt16BE(0xffff, 56); // cylinders
  footer.writeUInt8(16, 58); // heads
  footer.writeUInt8(255, 59); // sectors a track
  footer.writeUInt32BE(2, 60); // fixed
  id.copy(footer, 68, 0, 16);
  footer.writeUInt32BE(checksum(footer), 64);
  return footer;
}

/** The one's complement of the sum of all bytes, with the checksum's own field as zero. */
export function checksum(footer: Buffer): number {
  let sum = 0;
  for (const [index, byte] of footer.entries()) if (index < 64 || index >= 68) sum += byte;
  return ~sum >>> 0;
}

/** What the footer of a fixed VHD says. */
export interface FixedVhd {
  /** The size of its disk, in bytes. */
  readonly diskSize: number;
  /** The footer itself: 512 bytes. */
  readonly footer: Buffer;
}

/**
 * Reads the footer of the VHD at `path`, if that is a fixed one: a raw disk with 512 bytes behind it.
 *
 * @throws `INVALID_ARGUMENT` when the footer is cut off, has been changed, or tells another size than the file has.
 */
export async function readFixedVhd(path: string): Promise<FixedVhd | undefined> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const head = Buffer.alloc(8);
    await file.read(head, 0, 8, 0);
    // A dynamic one has a copy of its footer at the start.
    if (head.toString('latin1') === 'conectix' || size <= 512) return undefined;
    const footer = Buffer.alloc(512);
    await file.read(footer, 0, 512, size - 512);
    const wrong = complaint(footer, size - 512);
    if (wrong === undefined) return { diskSize: size - 512, footer };
    throw new ImgkitError('INVALID_ARGUMENT', `${path} is a VHD ${wrong}`, {
      resource: path,
      hint: 'If its data is whole, make a raw disk of it: qemu-img convert -f vpc -O raw disk.vhd disk.raw',
    });
  } finally {
    await file.close();
  }
}

function complaint(footer: Buffer, diskSize: number): string | undefined {
  if (footer.toString('latin1', 0, 8) !== 'conectix') return 'whose footer is cut off';
  if (checksum(footer) !== footer.readUInt32BE(64)) return 'whose footer has a wrong checksum';
  if (footer.readUInt32BE(60) !== 2) return 'whose footer is that of another kind of VHD';
  const told = footer.readBigUInt64BE(48);
  if (told !== BigInt(diskSize)) return `of ${diskSize} bytes whose footer tells ${told}`;
  return undefined;
}

/** Turns the raw disk at `path` into a fixed VHD in place: pads it to a whole MiB and adds the footer. */
export async function appendVhdFooter(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const { size } = await file.stat();
    const aligned = alignedVhdSize(size);
    if (aligned > maxSize)
      throw new ImgkitError(
        'INVALID_ARGUMENT',
        `the disk has ${size} bytes, a VHD at most 4095 GiB`,
      );
    await file.truncate(aligned);
    await file.write(vhdFooter(aligned), 0, 512, aligned);
  } finally {
    await file.close();
  }
}
