import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { expect, it, onTestFinished } from 'vitest';

import { readFormat } from './disk-file.ts';
import { packDisk, readDisk } from './raw-disk.ts';

async function scratch(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-gce-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

it('a disk is packed as GNU tar packs it, with its holes, up to whole GiB', async () => {
  const directory = await scratch();
  const path = join(directory, 'in.raw');
  const data = Buffer.alloc(70_000, 'data');
  await writeFile(path, data);
  await truncate(path, 40 * 2 ** 20);
  const file = await open(path, 'r+');
  await file.write(data, 0, data.length, 30 * 2 ** 20 + 5);
  await file.close();

  const fractions: number[] = [];
  const disk = await readDisk(path, { onProgress: (fraction) => fractions.push(fraction) });
  const whole = await readFile(path);
  expect(disk.digest).toBe(`sha256:${createHash('sha256').update(whole).digest('hex')}`);
  expect(disk.extents).toHaveLength(2);
  expect(fractions.at(-1)).toBe(1);

  const archive = join(directory, 'image.tar.gz');
  await pipeline(packDisk(path, disk), createWriteStream(archive));
  expect((await stat(archive)).size).toBeLessThan(100_000);
  execFileSync('tar', ['-xzf', archive, '-C', directory]);
  const unpacked = join(directory, 'disk.raw');
  expect((await stat(unpacked)).size).toBe(2 ** 30);
  const head = Buffer.alloc(whole.length + 4096);
  const back = await open(unpacked, 'r');
  await back.read(head, 0, head.length, 0);
  await back.close();
  expect(head.subarray(0, whole.length).equals(whole)).toBe(true);
  expect(head.subarray(whole.length).every((byte) => byte === 0)).toBe(true);

  expect(await readFormat(archive, undefined)).toBe('gce-tar');
  expect(await readFormat(path, undefined)).toBe('raw');
  await expect(readFormat(path, 'gce-tar')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  // The same file gives the same archive.
  const again = join(directory, 'again.tar.gz');
  await pipeline(packDisk(path, disk), createWriteStream(again));
  expect((await readFile(again)).equals(await readFile(archive))).toBe(true);
});

it.each([
  ['qcow2', Buffer.from('QFI\u00fb\0\0\0\u0003', 'latin1'), /qemu-img convert/],
  ['vmdk', Buffer.from('KDMV'), /qemu-img convert/],
  ['vhdx', Buffer.from('vhdxfile'), /qemu-img convert/],
  [
    'vhd',
    Buffer.concat([Buffer.alloc(1024), Buffer.from('conectix'), Buffer.alloc(504)]),
    /qemu-img/,
  ],
  ['an archive of something else', Buffer.from('H4sIAAAAAAAAAwMAAAAAAAAAAAA=', 'base64'), /oldgnu/],
  ['nothing', Buffer.alloc(0), /Give a disk/],
])('%s is refused with what to do', async (_what, bytes, hint) => {
  const path = join(await scratch(), 'disk');
  await writeFile(path, bytes);
  await expect(readFormat(path, undefined)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    hint: expect.stringMatching(hint),
  });
});
