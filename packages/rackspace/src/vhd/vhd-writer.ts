import {
  bitmapBytes,
  blockBytes,
  dynamicFooter,
  dynamicHeader,
  noBlock,
  sectorBytes,
} from './vhd-layout.ts';

/**
 * Where the first block is. What is in front of it, the table above all, is known last, and is an object of its own:
 * Cloud Files wants those to be of 1 MiB at least. The table of the largest disk has room in it.
 */
export const frontBytes = 1 << 20;

/** Disks are filled up to whole units of so many bytes. */
export const diskUnit = 1 << 20;

/** A raw disk as the parts of a dynamic VHD. */
export interface VhdParts {
  /** What comes behind the front, in order: blocks, and the footer. A piece is only good until the next is asked for. */
  readonly blocks: AsyncIterable<Buffer>;
  /** What comes in front of it; known when all blocks were read. */
  front(): { readonly bytes: Buffer<ArrayBuffer>; readonly diskBytes: number };
}

const zeros = Buffer.alloc(blockBytes);
const fullBitmap = Buffer.alloc(bitmapBytes, 0xff);

/**
 * Makes a dynamic VHD of a raw disk as it comes: blocks of zeros are left out. The same disk gives the same bytes.
 *
 * @param id - 16 bytes that identify the disk.
 */
export function toDynamicVhd(raw: AsyncIterable<Uint8Array>, id: Buffer): VhdParts {
  const table: boolean[] = [];
  let length = 0;
  const sized = (): number => Math.ceil(length / diskUnit) * diskUnit;

  async function* blocks(): AsyncGenerator<Buffer, void, undefined> {
    for await (const block of blocksOf(raw)) {
      length += block.length;
      const isEmpty = block.equals(zeros.subarray(0, block.length));
      table.push(!isEmpty);
      if (isEmpty) continue;
      yield fullBitmap;
      yield block.length === blockBytes ? block : filled(block);
    }
    yield dynamicFooter(sized(), id);
  }

  return {
    blocks: blocks(),
    front() {
      const diskBytes = sized();
      const tableAt = sectorBytes + 1024;
      const bytes = Buffer.alloc(frontBytes);
      dynamicFooter(diskBytes, id).copy(bytes, 0);
      dynamicHeader(table.length, tableAt).copy(bytes, sectorBytes);
      let next = frontBytes / sectorBytes;
      for (const [index, isThere] of table.entries()) {
        bytes.writeUInt32BE(isThere ? next : noBlock, tableAt + index * 4);
        if (isThere) next += (bitmapBytes + blockBytes) / sectorBytes;
      }
      // Entries that fill the last sector of the table stand for nothing.
      const end = tableAt + table.length * 4;
      bytes.fill(0xff, end, Math.ceil(end / sectorBytes) * sectorBytes);
      return { bytes, diskBytes };
    },
  };
}

/** Cuts a stream into blocks; the last may be shorter. A block is only good until the next is asked for. */
async function* blocksOf(raw: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
  const block = Buffer.allocUnsafe(blockBytes);
  let used = 0;
  for await (const chunk of raw) {
    for (let at = 0; at < chunk.length;) {
      const part = chunk.subarray(at, at + blockBytes - used);
      block.set(part, used);
      used += part.length;
      at += part.length;
      if (used < blockBytes) continue;
      yield block;
      used = 0;
    }
  }
  if (used > 0) yield block.subarray(0, used);
}

function filled(block: Buffer): Buffer {
  const whole = Buffer.alloc(blockBytes);
  block.copy(whole);
  return whole;
}
