import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { describe, expect, it, onTestFinished } from 'vitest';

import { vhdFault } from '../../test/classic/vhd-check.ts';
import { blockBytes } from './vhd-layout.ts';
import { rawOfVhd } from './vhd-reader.ts';
import { frontBytes, toDynamicVhd } from './vhd-writer.ts';

const run = promisify(execFile);

async function* chunks(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.subarray(at, at + size);
    await Promise.resolve();
  }
}

async function vhdOf(raw: Buffer, size = 300_000): Promise<Buffer> {
  const vhd = toDynamicVhd(chunks(raw, size), Buffer.alloc(16, 7));
  const parts: Buffer[] = [];
  for await (const block of vhd.blocks) parts.push(Buffer.from(block));
  return Buffer.concat([vhd.front().bytes, ...parts]);
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

async function scratch(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-vhd-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A disk of 9 MiB with data in its first, third and last block. */
function disk(): Buffer {
  const raw = Buffer.alloc(9 << 20);
  randomBytes(5000).copy(raw, 100);
  randomBytes(blockBytes).copy(raw, 2 * blockBytes);
  randomBytes(777).copy(raw, raw.length - 777);
  return raw;
}

describe('a dynamic VHD', () => {
  it('holds the disk, without its blocks of zeros', async () => {
    const raw = disk();
    const vhd = await vhdOf(raw);
    expect(vhdFault(vhd)).toBeUndefined();
    expect(vhd.length).toBe(frontBytes + 3 * (512 + blockBytes) + 512);
    const path = join(await scratch(), 'disk.vhd');
    await writeFile(path, vhd);
    expect((await collect(rawOfVhd(path))).equals(raw)).toBe(true);
  });

  it('is the same however the disk comes, and is filled up to a whole MiB', async () => {
    const raw = disk().subarray(0, 3_000_001);
    const vhd = await vhdOf(raw, 1000);
    expect((await vhdOf(raw, 5 << 20)).equals(vhd)).toBe(true);
    const path = join(await scratch(), 'disk.vhd');
    await writeFile(path, vhd);
    const back = await collect(rawOfVhd(path));
    expect(back.length).toBe(3 << 20);
    expect(back.equals(Buffer.concat([raw, Buffer.alloc(back.length - raw.length)]))).toBe(true);
  });

  it('is understood by QEMU', async (context) => {
    const hasQemu = await run('qemu-img', ['--version']).then(
      () => true,
      () => false,
    );
    context.skip(!hasQemu, 'qemu-img is not there');
    const directory = await scratch();
    const [ours, theirs, raw] = ['ours.vhd', 'theirs.vhd', 'disk.raw'].map((name) =>
      join(directory, name),
    );
    const bytes = disk();
    await writeFile(ours ?? '', await vhdOf(bytes));
    await run('qemu-img', ['convert', '-f', 'vpc', '-O', 'raw', ours ?? '', raw ?? '']);
    expect(sha256(await readFile(raw ?? ''))).toBe(sha256(bytes));
    for (const subformat of ['dynamic', 'fixed']) {
      const how = `subformat=${subformat},force_size=on`;
      const args = ['-f', 'raw', '-O', 'vpc', '-o', how, raw ?? '', theirs ?? ''];
      await run('qemu-img', ['convert', ...args]);
      expect(sha256(await collect(rawOfVhd(theirs ?? '')))).toBe(sha256(bytes));
    }
  });

  it('is refused when it is cut short', async () => {
    const path = join(await scratch(), 'disk.vhd');
    await writeFile(path, (await vhdOf(disk())).subarray(0, -1000));
    await expect(collect(rawOfVhd(path))).rejects.toMatchObject({ code: 'OPERATION_FAILED' });
  });
});

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
