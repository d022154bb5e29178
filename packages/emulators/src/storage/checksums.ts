import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** The checksums of an object, in base64, as Cloud Storage tells them. */
export interface Checksums {
  readonly md5Hash: string;
  readonly crc32c: string;
}

// CRC-32C (Castagnoli), bits reversed, one table entry a byte.
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1)
    value = value & 1 ? (value >>> 1) ^ 0x82_f6_3b_78 : value >>> 1;
  return value >>> 0;
});

/** Reads a file once, and gives both checksums. */
export async function checksumsOf(path: string): Promise<Checksums> {
  const md5 = createHash('md5');
  let crc = 0xff_ff_ff_ff;
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) {
    if (!(chunk instanceof Uint8Array)) continue;
    md5.update(chunk);
    for (const byte of chunk) crc = (table[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  }
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE((crc ^ 0xff_ff_ff_ff) >>> 0);
  return { md5Hash: md5.digest('base64'), crc32c: bytes.toString('base64') };
}
