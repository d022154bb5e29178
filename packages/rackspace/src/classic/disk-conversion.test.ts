import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { convert, runTool } from '@imgkit/core/local';
import { afterEach, expect, it, onTestFinished, vi } from 'vitest';

import { fileSource, streamSource } from '../resources/disk-source.ts';
import { importable } from './disk-conversion.ts';

const { signal } = new AbortController();
const control = { signal, progress: () => undefined };

afterEach(() => vi.unstubAllEnvs());

/** A raw disk of 9 MiB, most of which is empty, in another format. */
async function disk(to: 'qcow2' | 'vmdk') {
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-conversion-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  // Copies are made beside it, so that it can be seen whether they go.
  vi.stubEnv('TMPDIR', directory);
  const bytes = Buffer.alloc(9 << 20);
  randomBytes(100_000).copy(bytes, 5 << 20);
  const raw = join(directory, 'raw');
  await writeFile(raw, bytes);
  const path = join(directory, to);
  await convert(raw, path, { from: 'raw', to });
  const left = async () => (await readdir(directory)).filter((name) => name.startsWith('imgkit-'));
  return { directory, path, bytes, left };
}

it.each(['qcow2', 'vmdk'] as const)('gives the raw disk of a %s file or stream', async (format) => {
  const { path, bytes, left } = await disk(format);
  const digest = await sha256(path);
  for (const source of [await fileSource(path), await streamSource(createReadStream(path))]) {
    const given = await importable({ disk: source, digest }, control);
    expect(given).toMatchObject({ disk: { format: 'raw' } });
    // It was the file's, and has been compared with that.
    expect(given.digest).toBeUndefined();
    expect(await left()).toEqual([]);
    expect(bytes.equals(await collect(await given.disk.open()))).toBe(true);
    expect(await left()).toEqual([]);
  }
});

it('refuses another digest than was said', async () => {
  const { path, left } = await disk('qcow2');
  const digest = `sha256:${'0'.repeat(64)}`;
  const given = await importable({ disk: await fileSource(path), digest }, control);
  await expect(given.disk.open().then(collect)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  expect(await left()).toEqual([]);
});

it('refuses what the cloud would refuse, before anything is done', async () => {
  const { path, directory } = await disk('qcow2');
  const large = join(directory, 'large');
  await runTool('qemu-img', ['create', '-q', '-f', 'qcow2', large, '41G']);
  await expect(importable({ disk: await fileSource(large) }, control)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('40 GB'),
  });
  const parent = join(directory, 'parent');
  await convert(path, parent, { from: 'qcow2', to: 'vmdk' });
  const child = join(directory, 'child');
  const backed = ['create', '-q', '-f', 'vmdk', '-F', 'vmdk', '-b', parent, child];
  await runTool('qemu-img', backed);
  await expect(importable({ disk: await fileSource(child) }, control)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('parent'),
  });
});

it('says what to install where there is no qemu-img', async () => {
  const { path } = await disk('qcow2');
  const sources = [await fileSource(path), await streamSource(createReadStream(path))];
  vi.stubEnv('PATH', '/nowhere');
  for (const source of sources)
    await expect(importable({ disk: source }, control)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('qemu-utils'),
    });
});

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Buffer[] = [];
  // A piece is only good until the next is asked for.
  for await (const piece of pieces) all.push(Buffer.from(piece));
  return Buffer.concat(all);
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return `sha256:${hash.digest('hex')}`;
}
