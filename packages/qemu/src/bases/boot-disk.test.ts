import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { runTool } from '@imgkit/core/local';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { masterBootRecord, writeBootDisk } from './boot-disk.ts';
import { giveToRoot } from './ownership.ts';
import { requirePrograms } from './programs.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imgkit-disk-'));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

describe('masterBootRecord', () => {
  it('has boot code, one bootable partition to the end of the disk, and the signature', () => {
    const boot = Buffer.alloc(512, 0x11);
    const record = masterBootRecord(boot, 40_960);
    expect(record).toHaveLength(512);
    expect(record.subarray(0, 0x66)).toEqual(boot.subarray(0, 0x66));
    expect(record.readUInt16BE(0x66)).toBe(0x9090);
    expect([record[446], record[450]]).toEqual([0x80, 0x83]);
    expect([record.readUInt32LE(454), record.readUInt32LE(458)]).toEqual([2048, 38_912]);
    expect(record.subarray(462, 510).every((byte) => byte === 0)).toBe(true);
    expect(record.readUInt16LE(510)).toBe(0xaa55);
  });
});

const needed = ['grub-mkimage', 'mke2fs', 'debugfs', '/usr/lib/grub/i386-pc/boot.img'] as const;
const missing = await requirePrograms(needed).then(
  () => undefined,
  (error: unknown) => String(error),
);
if (missing !== undefined) console.warn(`the disk writer is not tested: ${missing}`);

describe.skipIf(missing !== undefined)('writeBootDisk', () => {
  it('fills a file system that is whole, with its owners, on a sparse disk', async () => {
    const root = join(directory, 'root');
    await mkdir(join(root, 'etc'), { recursive: true });
    await writeFile(join(root, 'etc/hostname'), 'web-1\n', { mode: 0o600 });
    const path = join(directory, 'disk.raw');
    const uuid = randomUUID();
    const rest = { root, uuid, label: 'test', scratch: directory, signal: undefined };
    await writeBootDisk({ path, sizeMib: 32, ...rest });
    const { size, blocks } = await stat(path);
    expect(size).toBe(32 * 2 ** 20);
    expect(blocks * 512).toBeLessThan(size / 2);
    const partition = `${path}?offset=1048576`;
    expect(await runTool('debugfs', ['-R', 'cat /etc/hostname', partition])).toBe('web-1\n');
    const details = await runTool('debugfs', ['-R', 'show_super_stats -h', partition]);
    expect(details).toContain(uuid);
    await runTool('e2fsck', ['-fn', partition]);
  });

  it('has files that all belong to root, whoever made the disk', async () => {
    const root = join(directory, 'root');
    await mkdir(join(root, 'a b'), { recursive: true });
    await writeFile(join(root, 'a b/file'), 'x');
    const path = join(directory, 'disk.raw');
    const device = `${path}?offset=1048576`;
    const uuid = randomUUID();
    const rest = { root, uuid, label: 'test', scratch: directory, signal: undefined };
    await writeBootDisk({ path, sizeMib: 32, ...rest });
    const owner = async (file: string): Promise<string> =>
      /User: +(\d+) +Group: +(\d+)/
        .exec(await runTool('debugfs', ['-R', `stat "${file}"`, device]))
        ?.slice(1)
        .join(':') ?? 'unknown';
    for (const file of ['/', '/a b', '/a b/file']) {
      await runTool('debugfs', ['-w', '-R', `set_inode_field "${file}" uid 1000`, device]);
      await runTool('debugfs', ['-w', '-R', `set_inode_field "${file}" gid 1000`, device]);
      expect(await owner(file)).toBe('1000:1000');
    }
    await giveToRoot(device, root, directory, undefined);
    for (const file of ['/', '/a b', '/a b/file']) expect(await owner(file)).toBe('0:0');
  });
});
