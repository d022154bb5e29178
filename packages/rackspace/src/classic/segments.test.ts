import { expect, it } from 'vitest';

import { segmentBytes, segmentsOf } from './segments.ts';

it('are no more than Cloud Files puts together, for the largest disk that is taken', () => {
  // With a bitmap for each 2 MiB, and two footers and a table around them.
  let left = 40 * 2 ** 30 + 20 * 2 ** 10 * 512 + 2 ** 20;
  let count = 1; // the front
  for (; left > 0; count += 1) left -= segmentBytes(count - 1);
  expect(count).toBeLessThanOrEqual(1000);
});

it('hold the stream, whatever pieces it comes in', async () => {
  const bytes = Buffer.alloc(17 << 20, 'some bytes');
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 3_000_001) yield bytes.subarray(at, at + 3_000_001);
  }
  const found: Buffer[] = [];
  for await (const segment of segmentsOf(pieces())) found.push(Buffer.from(segment));
  expect(found.map(({ length }) => length)).toEqual([16 << 20, 1 << 20]);
  expect(Buffer.concat(found).equals(bytes)).toBe(true);
});
