import { open, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { makeRaw, refusal, run, scratch, virtualSize } from '../../../test/scratch.ts';
import { alignedVhdSize, appendVhdFooter, checksum, readFixedVhd, vhdFooter } from './vhd.ts';

const mebibyte = 2 ** 20;

it('pads the disk to a whole MiB and adds exactly one footer that qemu-img believes', async () => {
  const directory = await scratch();
  const raw = await makeRaw(join(directory, 'disk'), 5 * mebibyte + 512, [{ at: 0, length: 4096 }]);
  const copy = join(directory, 'copy');
  await run('cp', '--sparse=always', raw, copy);
  await appendVhdFooter(copy);
  expect((await stat(copy)).size).toBe(6 * mebibyte + 512);
  expect(await virtualSize(copy, 'vpc')).toBe(6 * mebibyte);
  // The padding is zeros, so that a longer raw disk compares as equal.
  await run('qemu-img', 'compare', '-f', 'raw', '-F', 'vpc', raw, copy);
});

/** All but the date, the creator's version and the id. */
function blank(footer: Buffer): Buffer {
  const parts = [footer.subarray(0, 24), footer.subarray(28, 32), footer.subarray(36, 64)];
  return Buffer.concat([...parts, footer.subarray(84)]);
}

it('agrees with the footer that qemu-img writes in all but date and id', async () => {
  const directory = await scratch();
  const theirs = join(directory, 'theirs.vhd');
  await run(
    'qemu-img',
    'create',
    '-q',
    '-f',
    'vpc',
    '-o',
    'subformat=fixed,force_size',
    theirs,
    '8M',
  );
  const file = await open(theirs);
  const footer = Buffer.alloc(512);
  await file.read(footer, 0, 512, 8 * mebibyte);
  await file.close();
  const ours = vhdFooter(8 * mebibyte);
  expect(blank(ours)).toEqual(
    blank(footer)
      .fill(0, 11, 12)
      .fill(blank(ours)[11] ?? 0, 11, 12),
  );
  expect(checksum(footer)).toBe(footer.readUInt32BE(64));
  expect(checksum(ours)).toBe(ours.readUInt32BE(64));
});

it('keeps a size that is aligned already', () => {
  expect(alignedVhdSize(7 * mebibyte)).toBe(7 * mebibyte);
  expect(alignedVhdSize(7 * mebibyte + 1)).toBe(8 * mebibyte);
});

it('reads the footer of a fixed one, and refuses one that can’t be right', async () => {
  const path = join(await scratch(), 'disk.vhd');
  const disk = Buffer.alloc(mebibyte, 7);
  const footer = vhdFooter(mebibyte);
  await writeFile(path, Buffer.concat([disk, footer]));
  expect(await readFixedVhd(path)).toEqual({ diskSize: mebibyte, footer });

  await writeFile(path, Buffer.concat([disk, disk, footer]));
  expect(await refusal(readFixedVhd(path))).toMatch(/INVALID.* 2097152 bytes .* tells 1048576/);
  const changed = Buffer.from(footer).fill(1, 70, 71);
  await writeFile(path, Buffer.concat([disk, changed]));
  expect(await refusal(readFixedVhd(path))).toMatch(/INVALID.*checksum/);
  await writeFile(path, Buffer.concat([disk, footer.subarray(0, 511)]));
  expect(await refusal(readFixedVhd(path))).toMatch(/INVALID.*cut off/);
  const dynamic = `${path}.dynamic`;
  await run('qemu-img', 'create', '-q', '-f', 'vpc', '-o', 'subformat=dynamic', dynamic, '4M');
  expect(await readFixedVhd(dynamic)).toBeUndefined();
});
