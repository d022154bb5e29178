import { createHash } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { failure, makeRaw, run, scratch } from '../../../test/scratch.ts';
import { checkDisk, convert, createOverlay, dataExtents, growDisk, readInfo } from './qemu-img.ts';
import { runTool } from './tool.ts';
import { checksum, vhdFooter } from './vhd.ts';

const mebibyte = 2 ** 20;

async function digest(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

describe('qemu-img', () => {
  it('gives the same compressed file for the same content, whatever the format it came in', async () => {
    const directory = await scratch();
    const data = [
      { at: 0, length: 9 * mebibyte },
      { at: 50 * mebibyte, length: 100_000 },
    ];
    const raw = await makeRaw(join(directory, 'raw'), 64 * mebibyte, data);
    const qcow2 = join(directory, 'qcow2');
    await convert(raw, qcow2, { from: 'raw', to: 'qcow2' });
    const copies = [join(directory, '1'), join(directory, '2'), join(directory, '3')] as const;
    await convert(raw, copies[0], { from: 'raw', to: 'qcow2', compression: 'zstd' });
    await convert(raw, copies[1], { from: 'raw', to: 'qcow2', compression: 'zstd' });
    await convert(qcow2, copies[2], { from: 'qcow2', to: 'qcow2', compression: 'zstd' });
    const digests = new Set(await Promise.all(copies.map(digest)));
    expect(digests.size).toBe(1);
  });

  it('tells the extents with data, joined', async () => {
    const raw = await makeRaw(join(await scratch(), 'raw'), 8 * mebibyte, [
      { at: 0, length: 4096 },
      { at: 4096, length: 4096 },
      { at: mebibyte, length: 8192 },
    ]);
    expect(await dataExtents(raw, 'raw')).toEqual([
      { offset: 0, length: 8192 },
      { offset: mebibyte, length: 8192 },
    ]);
  });

  it('makes overlays that tell their backing file and can grow', async () => {
    const directory = await scratch();
    const blob = join(directory, 'blob');
    await run('qemu-img', 'create', '-q', '-f', 'qcow2', blob, '4M');
    const overlay = join(directory, 'overlay');
    await createOverlay(overlay, blob, { virtualSize: 6 * mebibyte });
    await growDisk(overlay, 9 * mebibyte);
    expect(await readInfo(overlay, 'qcow2')).toMatchObject({
      virtualSize: 9 * mebibyte,
      backingFile: blob,
    });
    expect(await checkDisk(overlay)).toBeUndefined();
  });

  it('says what the tool said when it fails', async () => {
    const raw = await makeRaw(join(await scratch(), 'raw'), mebibyte, []);
    const error = await failure(readInfo(raw, 'qcow2'));
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(String(error)).toMatch(/Image is not in qcow2 format/);
    const missing = await failure(readInfo('/nowhere/at/all', 'raw'));
    expect(missing.code).toBe('NOT_FOUND');
  });

  it('finds damage', async () => {
    const directory = await scratch();
    const raw = await makeRaw(join(directory, 'raw'), mebibyte, [{ at: 0, length: mebibyte }]);
    const disk = join(directory, 'disk');
    await convert(raw, disk, { from: 'raw', to: 'qcow2' });
    await run('dd', `of=${disk}`, 'if=/dev/urandom', 'bs=64k', 'seek=1', 'count=1', 'conv=notrunc');
    expect(await checkDisk(disk)).toMatch(/qemu-img check failed/);
  });
});

describe('a tool', () => {
  it('that is missing is a failed precondition with the line to type', async () => {
    const error = await failure(runTool('imgkit-no-such-tool', []));
    expect(error.code).toBe('FAILED_PRECONDITION');
    expect(error.hint).toMatch(/sudo apt-get install/);
  });

  it('is killed, and has ended, when the call is aborted', async () => {
    const controller = new AbortController();
    let pid = 0;
    const onOutput = (text: string): void => {
      pid = Number(text);
      controller.abort();
    };
    const script = 'echo $$; exec sleep 1000';
    const error = await failure(
      runTool('sh', ['-c', script], { signal: controller.signal, onOutput }),
    );
    expect(error.code).toBe('CANCELLED');
    expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
  });
});

it('takes the whole of a VHD whose geometry is smaller than its size', async () => {
  const directory = await scratch();
  const size = 8 * mebibyte;
  const raw = await makeRaw(join(directory, 'a,b.vhd'), size, [{ at: size - 4096, length: 4096 }]);
  const whole = join(directory, 'whole.raw');
  await run('cp', raw, whole);
  const footer = vhdFooter(size);
  footer.write('vbox', 28, 'latin1');
  footer.writeUInt16BE(10, 56); // 10 cylinders of 16 heads and 17 sectors: 1.3 MiB
  footer.writeUInt8(17, 59);
  footer.writeUInt32BE(checksum(footer), 64);
  await appendFile(raw, footer);
  const copy = join(directory, 'copy.raw');
  await convert(raw, copy, { from: 'vpc', to: 'raw' });
  expect((await readInfo(raw, 'vpc')).virtualSize).toBe(size);
  await run('cmp', whole, copy);
});
