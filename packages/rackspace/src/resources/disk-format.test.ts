import { describe, expect, it } from 'vitest';

import { detectFormat, headBytes, padded } from './disk-format.ts';
import { streamSource } from './disk-source.ts';

function qcow2({ version = 3, backing = 0n, features = 0n } = {}): Buffer {
  const head = Buffer.alloc(headBytes);
  head.write('QFI\xfb', 'latin1');
  head.writeUInt32BE(version, 4);
  head.writeBigUInt64BE(backing, 8);
  head.writeBigUInt64BE(features, 72);
  return head;
}
const vhdFooter = padded(Buffer.from('conectix')).subarray(0, 512);

async function* chunks(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
  await Promise.resolve();
}

async function readAll(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of source) all.push(chunk);
  return Buffer.concat(all);
}

describe('the format of a disk', () => {
  it('is told by its bytes', () => {
    const zeros = Buffer.alloc(headBytes);
    expect(detectFormat(qcow2())).toBe('qcow2');
    expect(detectFormat(padded(Buffer.from('KDMV')))).toBe('vmdk');
    expect(detectFormat(padded(vhdFooter))).toBe('vhd');
    expect(detectFormat(zeros, vhdFooter)).toBe('vhd');
    expect(detectFormat(zeros, Buffer.alloc(512))).toBe('raw');
    // Those of version 2 have no such field.
    expect(detectFormat(qcow2({ version: 2, features: 4n }))).toBe('qcow2');
  });

  it.each([
    ['a backing file', qcow2({ backing: 512n })],
    ['its data elsewhere', qcow2({ features: 4n })],
    ['only a description', padded(Buffer.from('# Disk DescriptorFile\nversion=1'))],
  ])('is refused for a disk that has %s', (_, head) => {
    expect(() => detectFormat(head)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('a disk that comes as a stream', () => {
  it('comes whole, in however small pieces, and tells its format', async () => {
    const disk = Buffer.concat([qcow2(), Buffer.from('more')]);
    const pieces = Array.from({ length: 41 }, (_, at) => disk.subarray(at * 100, at * 100 + 100));
    const source = await streamSource(chunks(...pieces));
    expect(source.format).toBe('qcow2');
    expect(await readAll(await source.open())).toEqual(disk);
    const short = await streamSource(chunks(Buffer.from('x')));
    expect(await readAll(await short.open())).toEqual(Buffer.from('x'));
  });

  it('is refused, and closed, when it isn’t what it is said to be', async () => {
    let closed = false;
    async function* raw(): AsyncGenerator<Uint8Array> {
      try {
        yield Buffer.alloc(headBytes);
        yield Buffer.alloc(1);
      } finally {
        closed = true;
      }
    }
    await expect(streamSource(raw(), 'qcow2')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(closed).toBe(true);
  });

  it('may be a VHD that shows so only at its end', async () => {
    const fixed = await streamSource(chunks(Buffer.alloc(headBytes), vhdFooter), 'vhd');
    expect((await readAll(await fixed.open())).length).toBe(headBytes + 512);
    const wrong = await streamSource(chunks(Buffer.alloc(headBytes), Buffer.alloc(512)), 'vhd');
    await expect(wrong.open().then(readAll)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
