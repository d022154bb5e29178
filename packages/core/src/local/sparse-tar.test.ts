import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { gzip } from './gzip.ts';
import { sparseTar } from './sparse-tar.ts';
import { describe, expect, it } from 'vitest';

import { makeRaw, run, scratch } from '../../test/scratch.ts';
import { dataExtents } from './disk-files/qemu-img.ts';

const mebibyte = 2 ** 20;

async function roundTrip(
  size: number,
  data: readonly { at: number; length: number }[],
  unpackedSize = size,
) {
  const directory = await scratch();
  const raw = await makeRaw(join(directory, 'source'), size, data);
  const extents = await dataExtents(raw, 'raw');
  const archive = join(directory, 'disk.tar.gz');
  const member = { path: raw, name: 'disk.raw', size: unpackedSize, extents };
  await pipeline(gzip(sparseTar(member)), createWriteStream(archive));
  await run('tar', '-xzSf', archive, '-C', directory);
  return { raw, unpacked: join(directory, 'disk.raw'), archive, extents };
}

describe('a sparse tar', () => {
  it.each([
    ['few extents', 0, 3],
    ['as many as the header holds', 0, 4],
    ['one extension block, full', 0, 25],
    ['many extension blocks', 0, 100],
    ['data up to the end', 1, 40],
  ])('is unpacked by GNU tar to the same disk: %s', async (_name, last, count) => {
    const size = 64 * mebibyte;
    const data = Array.from({ length: count }, (_, index) => ({
      at: index * 512 * 1024 + 128 * 1024,
      length: 4096 + (index % 7) * 512,
    }));
    if (last > 0) data.push({ at: size - 8192, length: 8192 });
    const { raw, unpacked, extents, archive } = await roundTrip(size, data);
    expect(extents.length).toBeGreaterThanOrEqual(count);
    expect((await stat(unpacked)).size).toBe(size);
    await run('cmp', raw, unpacked);
    expect((await stat(unpacked)).blocks * 512).toBeLessThan(size / 4);
    expect(await run('tar', '-tvzf', archive)).toMatch(
      /^-rw-r--r-- root\/root +67108864 .* disk\.raw$/m,
    );
  });

  it('is unpacked to the size asked for, and to nothing but holes', async () => {
    const { unpacked } = await roundTrip(mebibyte, [], 16 * mebibyte);
    expect((await stat(unpacked)).size).toBe(16 * mebibyte);
    expect((await stat(unpacked)).blocks).toBeLessThanOrEqual(8);
  });

  it('has sizes beyond what 11 octal digits hold', async () => {
    const size = 10 * 2 ** 30;
    const { unpacked } = await roundTrip(size, [{ at: size - mebibyte, length: 4096 }]);
    expect((await stat(unpacked)).size).toBe(size);
  });

  it('is a disk of odd size, too', async () => {
    const size = mebibyte + 1536;
    const { raw, unpacked } = await roundTrip(size, [{ at: mebibyte, length: 1000 }]);
    expect((await stat(unpacked)).size).toBe(size);
    await run('cmp', raw, unpacked);
  });
});
