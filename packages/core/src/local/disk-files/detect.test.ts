import { open, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { makeRaw, refusal, run, scratch } from '../../../test/scratch.ts';
import { detectFormat } from './detect.ts';

async function patch(path: string, at: number, bytes: Buffer): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(bytes, 0, bytes.length, at);
  await file.close();
}

function number64(value: number, order: 'LE' | 'BE'): Buffer {
  const buffer = Buffer.alloc(8);
  if (order === 'LE') buffer.writeBigUInt64LE(BigInt(value));
  else buffer.writeBigUInt64BE(BigInt(value));
  return buffer;
}

async function create(format: string, options = ''): Promise<string> {
  const path = join(await scratch(), 'disk');
  const more = options === '' ? [] : ['-o', options];
  const raw = await makeRaw(`${path}.raw`, 3 * 2 ** 20, [{ at: 2 ** 20, length: 70_000 }]);
  await run('qemu-img', 'convert', '-f', 'raw', '-O', format, ...more, raw, path);
  return path;
}

describe('what a disk is', () => {
  it.each([
    ['raw', '', 'raw'],
    ['qcow2', 'compat=0.10', 'qcow2'],
    ['qcow2', 'compression_type=zstd', 'qcow2'],
    ['vpc', 'subformat=dynamic', 'vpc'],
    ['vpc', 'subformat=fixed,force_size', 'vpc'],
    ['vmdk', 'subformat=monolithicSparse', 'vmdk'],
    ['vmdk', 'subformat=streamOptimized', 'vmdk'],
    ['vhdx', '', 'vhdx'],
  ])('is told by its content: %s %s', async (format, options, expected) => {
    const path = await create(format, options);
    const misleading = `${path}.iso`;
    await rename(path, misleading);
    expect(await detectFormat(misleading)).toBe(expected);
  });

  it('must be what was expected', async () => {
    const path = await create('qcow2');
    expect(await refusal(detectFormat(path, 'raw'))).toMatch(
      /^INVALID_ARGUMENT: .*is a qcow2 disk, not a raw disk/,
    );
  });
});

describe('a disk that makes its reader open other files', () => {
  it('is refused as a qcow2 with a backing file', async () => {
    const path = await create('qcow2');
    const overlay = `${path}.overlay`;
    await run(
      'qemu-img',
      'create',
      '-q',
      '-f',
      'qcow2',
      '-F',
      'raw',
      '-u',
      '-b',
      '/etc/passwd',
      overlay,
      '1M',
    );
    expect(await refusal(detectFormat(overlay))).toMatch(/^INVALID_ARGUMENT: .*backing file/);
  });

  it('is refused as a qcow2 with an external data file', async () => {
    const path = join(await scratch(), 'disk');
    await run(
      'qemu-img',
      'create',
      '-q',
      '-f',
      'qcow2',
      '-o',
      `data_file=${path}.data,data_file_raw=on`,
      path,
      '1M',
    );
    expect(await refusal(detectFormat(path))).toMatch(/^INVALID_ARGUMENT: .*another file/);
  });

  it('is refused as a VMDK descriptor, plain or embedded', async () => {
    const directory = await scratch();
    const plain = join(directory, 'plain.vmdk');
    await run(
      'qemu-img',
      'create',
      '-q',
      '-f',
      'vmdk',
      '-o',
      'subformat=monolithicFlat',
      plain,
      '1M',
    );
    expect(await refusal(detectFormat(plain))).toMatch(/^INVALID_ARGUMENT: .*other files/);
    const embedded = await create('vmdk', 'subformat=monolithicSparse');
    await patch(embedded, 512, Buffer.from('RW 2048 FLAT "/etc/passwd" 0\n'));
    expect(await refusal(detectFormat(embedded))).toMatch(/^INVALID_ARGUMENT: .*other files/);
  });

  it('is refused as a VMDK without capacity, which QEMU takes for a descriptor', async () => {
    const path = await create('vmdk');
    await patch(path, 12, number64(0, 'LE'));
    expect(await refusal(detectFormat(path))).toMatch(/^INVALID_ARGUMENT: .*without a disk/);
  });

  it('is refused as a VMDK with a parent, also in the second header of a stream', async () => {
    const path = await create('vmdk', 'subformat=monolithicSparse');
    await patch(path, 600, Buffer.from('\nparentFileNameHint="/etc/passwd"\n'));
    expect(await refusal(detectFormat(path))).toMatch(/^INVALID_ARGUMENT: .*parent/);
    const stream = await create('vmdk', 'subformat=streamOptimized');
    const { size } = await stat(stream);
    const sector = Math.ceil(size / 512);
    await patch(stream, sector * 512, Buffer.from('parentFileNameHint="/etc/passwd"'.padEnd(512)));
    const header = Buffer.alloc(1024);
    header.write('KDMV', 0);
    number64(2048, 'LE').copy(header, 12);
    number64(sector, 'LE').copy(header, 28);
    await patch(stream, (sector + 1) * 512, header);
    expect(await refusal(detectFormat(stream))).toMatch(/^INVALID_ARGUMENT: .*parent/);
  });

  it('is refused as a differencing VHD', async () => {
    const path = await create('vpc', 'subformat=dynamic');
    await patch(path, 60, Buffer.from([0, 0, 0, 4]));
    expect(await refusal(detectFormat(path))).toMatch(/^INVALID_ARGUMENT: .*parent/);
  });
});

describe('what is no disk', () => {
  it.each([
    ['empty', Buffer.alloc(0), /^INVALID_ARGUMENT: .*is empty/],
    ['not whole sectors', Buffer.alloc(700, 1), /^INVALID_ARGUMENT: .*not a whole number/],
    ['gzip', Buffer.from('\x1f\x8b'.padEnd(512), 'latin1'), /^UNSUPPORTED: .*gzip/],
    ['LUKS', Buffer.from('LUKS\xba\xbe'.padEnd(512), 'latin1'), /^UNSUPPORTED: .*LUKS/],
    ['qcow2 cut off', Buffer.from('QFI\xfb\0\0\0\x03', 'latin1'), /^INVALID_ARGUMENT: .*cut off/],
  ] as const)('is refused: %s', async (_name, content, message) => {
    const path = join(await scratch(), 'file');
    await writeFile(path, content);
    expect(await refusal(detectFormat(path))).toMatch(message);
  });

  it('is refused for a forged size', async () => {
    const path = await create('qcow2');
    await patch(path, 24, number64(2 ** 50, 'BE'));
    expect(await refusal(detectFormat(path))).toMatch(/^INVALID_ARGUMENT: .*64 TiB/);
  });

  it('is refused when it is not there', async () => {
    expect(await refusal(detectFormat(join(await scratch(), 'none')))).toMatch(
      /^NOT_FOUND: .*does not exist/,
    );
  });
});
