import { randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';

import * as fc from 'fast-check';
import { expect, it } from 'vitest';

import { gzip } from './gzip.ts';

async function compress(chunks: readonly Buffer[]): Promise<Buffer> {
  async function* input() {
    yield* chunks;
  }
  const parts: Buffer[] = [];
  for await (const part of gzip(input())) parts.push(part);
  return Buffer.concat(parts);
}

it('gives one member that every gunzip reads, whatever the chunks', async () => {
  const chunk = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.nat(3 * 2 ** 20).map((length) => Buffer.alloc(length, 'a')),
    fc.nat(2 ** 20 + 10).map((length) => randomBytes(length)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(chunk, { maxLength: 6 }), async (chunks) => {
      const whole = Buffer.concat(chunks);
      const compressed = await compress(chunks);
      expect(gunzipSync(compressed).equals(whole)).toBe(true);
      // The trailer is what a reader checks: length, and the CRC over all blocks.
      expect(compressed.readUInt32LE(compressed.length - 4)).toBe(whole.length);
    }),
    { numRuns: 25 },
  );
});

it('stops its source when the reader leaves early', async () => {
  let closed = false;
  async function* endless() {
    try {
      for (;;) yield randomBytes(2 ** 20);
    } finally {
      closed = true;
    }
  }
  let bytes = 0;
  for await (const part of gzip(endless())) {
    bytes += part.length;
    if (bytes > 100) break;
  }
  expect(closed).toBe(true);
});
