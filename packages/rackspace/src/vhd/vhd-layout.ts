// How a VHD is built: a footer of 512 bytes at its end; a dynamic one has a copy of it in front, a header, a table
// of blocks, and the blocks that hold anything but zeros. All numbers are big-endian.
// https://learn.microsoft.com/en-us/windows/win32/vstor/about-vhd

/** The unit in which the table of blocks counts, in bytes. */
export const sectorBytes = 512;
/** A block of a dynamic disk, in bytes, without its bitmap. */
export const blockBytes = 2 << 20;
/** The bitmap in front of a block: one bit for each of its sectors, in bytes. */
export const bitmapBytes = blockBytes / sectorBytes / 8;
/** What the table says of a block that isn't there. */
export const noBlock = 0xff_ff_ff_ff;

/** The kinds of disks. */
export type VhdType = 'fixed' | 'dynamic' | 'differencing';

const types: Readonly<Record<number, VhdType>> = { 2: 'fixed', 3: 'dynamic', 4: 'differencing' };

/** What a footer says. */
export interface VhdFooter {
  /** `undefined` for a kind that nobody uses any more. */
  readonly type: VhdType | undefined;
  /** The size of the disk, in bytes. */
  readonly diskBytes: number;
  /** Where the header of a dynamic disk is. */
  readonly headerAt: number;
  /** Whether it has an identity; one without is refused by XenServer. */
  readonly hasId: boolean;
  /** Whether its checksum is right. */
  readonly isSound: boolean;
}

/** Reads a footer; `undefined` when the bytes are none. */
export function readFooter(bytes: Buffer): VhdFooter | undefined {
  if (bytes.length < sectorBytes || bytes.toString('latin1', 0, 8) !== 'conectix') return undefined;
  return {
    type: types[bytes.readUInt32BE(60)],
    diskBytes: Number(bytes.readBigUInt64BE(48)),
    headerAt: Number(bytes.readBigUInt64BE(16)),
    hasId: bytes.subarray(68, 84).some((byte) => byte !== 0),
    isSound: checksum(bytes.subarray(0, sectorBytes), 64) === bytes.readUInt32BE(64),
  };
}

/** The footer of a dynamic disk. */
export function dynamicFooter(diskBytes: number, id: Buffer): Buffer {
  const footer = Buffer.alloc(sectorBytes);
  footer.write('conectix', 0, 'latin1');
  footer.writeUInt32BE(2, 8); // features: the bit that is always set
  footer.writeUInt32BE(0x1_00_00, 12); // the version of the format: 1.0
  footer.writeBigUInt64BE(BigInt(sectorBytes), 16); // the header is behind the copy of the footer
  footer.write('tap\0', 28, 'latin1'); // XenServer's own mark
  footer.writeUInt32BE(0x1_00_03, 32);
  footer.writeBigUInt64BE(BigInt(diskBytes), 40);
  footer.writeBigUInt64BE(BigInt(diskBytes), 48);
  // The largest geometry there is: readers believe the size instead.
  footer.writeUInt16BE(0xff_ff, 56);
  footer.writeUInt8(16, 58);
  footer.writeUInt8(255, 59);
  footer.writeUInt32BE(3, 60);
  id.copy(footer, 68, 0, 16);
  footer.writeUInt32BE(checksum(footer, 64), 64);
  return footer;
}

/** The header of a dynamic disk whose table has so many entries and begins there. */
export function dynamicHeader(entries: number, tableAt: number): Buffer {
  const header = Buffer.alloc(1024);
  header.write('cxsparse', 0, 'latin1');
  header.fill(0xff, 8, 16); // nothing behind it
  header.writeBigUInt64BE(BigInt(tableAt), 16);
  header.writeUInt32BE(0x1_00_00, 24);
  header.writeUInt32BE(entries, 28);
  header.writeUInt32BE(blockBytes, 32);
  header.writeUInt32BE(checksum(header, 36), 36);
  return header;
}

/** The complement of the sum of all bytes but those of the sum itself. */
function checksum(bytes: Buffer, at: number): number {
  let sum = 0;
  for (const [index, byte] of bytes.entries()) if (index < at || index >= at + 4) sum += byte;
  return ~sum >>> 0;
}
