import { open } from 'node:fs/promises';

import { throwIfAborted } from '../plugin/operation.ts';

const block = 512;
const chunk = 2 ** 20;
const alignment = 4096;
/** Holes smaller than this are written as zeros: they cost less than their entry in the map. */
const smallestHole = 2 ** 16;

/** A run of bytes of a disk. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** What goes into the archive. */
export interface SparseMember {
  /** The raw disk. */
  readonly path: string;
  /** Its name in the archive, at most 100 bytes. */
  readonly name: string;
  /** The size it shall have when it is unpacked, in bytes: what is past the end of the file is zero. */
  readonly size: number;
  readonly extents: readonly Extent[];
  readonly modifiedAt?: Date | undefined;
}

/** How the archive is made. */
export interface SparseTarOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes of the disk's data read so far, and of all of it. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * A tar archive with one sparse file in the old GNU format, the one that `tar --format=oldgnu -S`
 * writes. Only the extents are read.
 *
 * @yields The bytes of the archive.
 */
export async function* sparseTar(
  member: SparseMember,
  options: SparseTarOptions = {},
): AsyncGenerator<Buffer, void, undefined> {
  const extents = align(member.extents, member.size);
  const total = extents.reduce((sum, { length }) => sum + length, 0);
  const end = extents.at(-1);
  // GNU tar marks a hole at the end by an empty entry, from which readers learn the size.
  const closed = end !== undefined && end.offset + end.length === member.size;
  const map = closed ? extents : [...extents, { offset: member.size, length: 0 }];
  yield tarHeader(member, map, total);
  const file = await open(member.path, 'r');
  let done = 0;
  try {
    for (const { offset, length } of extents) {
      for (let position = 0; position < length; position += chunk) {
        throwIfAborted(options.signal);
        const wanted = Math.min(chunk, length - position);
        const buffer = Buffer.alloc(wanted); // zeroed: the disk may end inside an aligned extent
        await file.read(buffer, 0, wanted, offset + position);
        done += wanted;
        options.onProgress?.(done, total);
        yield buffer;
      }
      // Every extent is a whole number of blocks except, for odd sizes, the last one.
      if (length % block !== 0) yield Buffer.alloc(block - (length % block));
    }
  } finally {
    await file.close();
  }
  yield Buffer.alloc(2 * block);
}

/** Rounds extents outwards, joins near ones, and keeps them inside the disk. */
function align(extents: readonly Extent[], size: number): readonly Extent[] {
  const aligned: { offset: number; length: number }[] = [];
  for (const { offset, length } of extents) {
    const start = Math.floor(offset / alignment) * alignment;
    const end = Math.min(size, Math.ceil((offset + length) / alignment) * alignment);
    const last = aligned.at(-1);
    if (end <= start) continue;
    if (last !== undefined && start - (last.offset + last.length) < smallestHole)
      last.length = Math.max(last.length, end - last.offset);
    else aligned.push({ offset: start, length: end - start });
  }
  return aligned;
}

/** The header block with the first 4 entries of the map, and as many blocks of 21 as it takes. */
function tarHeader(member: SparseMember, map: readonly Extent[], stored: number): Buffer {
  const header = Buffer.alloc(block);
  header.write(member.name, 0, 100, 'utf8');
  writeNumber(header, 0o644, 100, 8);
  writeNumber(header, 0, 108, 8); // uid
  writeNumber(header, 0, 116, 8); // gid
  writeNumber(header, stored, 124, 12);
  writeNumber(header, Math.floor((member.modifiedAt ?? new Date()).getTime() / 1000), 136, 12);
  header.write('S', 156, 'latin1');
  header.write('ustar  \0', 257, 'latin1');
  header.write('root', 265, 'latin1');
  header.write('root', 297, 'latin1');
  writeEntries(header, map.slice(0, 4), 386);
  header.writeUInt8(map.length > 4 ? 1 : 0, 482);
  writeNumber(header, member.size, 483, 12);
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  const more: Buffer[] = [];
  for (let index = 4; index < map.length; index += 21) {
    const extension = Buffer.alloc(block);
    writeEntries(extension, map.slice(index, index + 21), 0);
    extension.writeUInt8(map.length > index + 21 ? 1 : 0, 504);
    more.push(extension);
  }
  return Buffer.concat([header, ...more]);
}

function writeEntries(target: Buffer, map: readonly Extent[], at: number): void {
  for (const [index, { offset, length }] of map.entries()) {
    writeNumber(target, offset, at + index * 24, 12);
    writeNumber(target, length, at + index * 24 + 12, 12);
  }
}

/** Octal, or where that is too short, GNU's big-endian binary with the first bit set. */
function writeNumber(target: Buffer, value: number, at: number, width: number): void {
  const digits = width - 1;
  if (value < 8 ** digits) {
    target.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1');
    return;
  }
  target.fill(0, at, at + width);
  target.writeUInt8(0x80, at);
  target.writeBigUInt64BE(BigInt(value), at + width - 8);
}
