import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { diskFile, freshProvider, names, sameDisk } from '../test/local-provider.ts';
import { failure, refusal, run, scratch } from '../test/scratch.ts';

async function digestOf(path: string): Promise<string> {
  return `sha256:${createHash('sha256')
    .update(await readFile(path))
    .digest('hex')}`;
}

const formats = [
  ['raw', 'raw', ''],
  ['qcow2', 'qcow2', ''],
  ['vhd', 'vpc', 'subformat=dynamic,force_size'],
  ['azure-vhd', 'vpc', 'subformat=fixed,force_size'],
  ['vmdk', 'vmdk', 'subformat=streamOptimized'],
] as const;

describe('import', () => {
  it.each(formats)('takes %s from a file and as a stream', async (format, name, more) => {
    const provider = await freshProvider();
    const raw = await diskFile();
    const file = join(await scratch(), 'upload.bin');
    const options = more === '' ? [] : ['-o', more];
    await run('qemu-img', 'convert', '-f', 'raw', '-O', name, ...options, raw, file);
    const digest = await digestOf(file);
    const one = await provider.transfer.import({ name: 'one', from: file, format, digest });
    const two = await provider.transfer.import({
      name: 'two',
      from: createReadStream(file),
      digest,
    });
    expect(one.digest).toBe(two.digest);
    expect(one.origin).toEqual({ kind: 'file', id: 'upload.bin' });
    const store = await provider.context.store();
    expect(await sameDisk(raw, store.blobs.path(one.digest?.slice(7) ?? ''))).toBe(true);
  });

  it('refuses another format, another digest, and what points elsewhere, and leaves nothing', async () => {
    const provider = await freshProvider();
    const { transfer, context } = provider;
    const raw = await diskFile();
    const overlay = join(await scratch(), 'overlay');
    await run('qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', raw, overlay);
    const wrong = `sha256:${'0'.repeat(64)}`;
    const name = 'web-1';
    expect(await refusal(transfer.import({ name, from: raw, format: 'qcow2' }))).toMatch(
      /^INVALID.*raw/,
    );
    expect(await refusal(transfer.import({ name, from: raw, digest: wrong }))).toMatch(
      /^INVALID.*digest/,
    );
    const stream = createReadStream(raw);
    expect(await refusal(transfer.import({ name, from: stream, digest: wrong }))).toMatch(
      /^INVALID.*digest/,
    );
    expect(await refusal(transfer.import({ name, from: overlay }))).toMatch(
      /^INVALID.*backing file/,
    );
    expect(await refusal(transfer.import({ name, from: '/no/file' }))).toMatch(/^NOT_FOUND/);
    expect(await refusal(transfer.import({ name, from: raw, format: 'gce-tar' }))).toMatch(
      /^UNSUPPORTED/,
    );
    expect(await names(provider.images.list())).toEqual([]);
    const { layout } = await context.store();
    expect([...(await readdir(layout.tmp)), ...(await readdir(layout.blobs))]).toEqual([]);
  });

  it('leaves nothing when it is aborted in the middle of the stream', async () => {
    const provider = await freshProvider();
    const controller = new AbortController();
    async function* endless() {
      yield new Uint8Array(2 ** 20).fill(1);
      controller.abort();
      yield new Uint8Array(2 ** 20).fill(2);
    }
    const operation = provider.transfer.import(
      { name: 'a', from: endless() },
      { signal: controller.signal },
    );
    expect((await failure(operation)).code).toBe('CANCELLED');
    expect(await names(provider.images.list())).toEqual([]);
    expect(await readdir((await provider.context.store()).layout.tmp)).toEqual([]);
  });

  it('refuses a disk that does not fit', async () => {
    const provider = await freshProvider({ freeSpace: async () => 1000 });
    const error = await failure(provider.transfer.import({ name: 'a', from: await diskFile() }));
    expect(error.code).toBe('QUOTA_EXCEEDED');
    expect(await names(provider.images.list())).toEqual([]);
  });
});

describe('export', () => {
  it.each([
    ...formats.map(([format, name]) => [format, name] as const),
    ['gce-tar', 'tar'] as const,
  ])('writes %s, and tells its size and digest', async (format, reader) => {
    const provider = await freshProvider();
    const raw = await diskFile();
    const { ref } = await provider.transfer.import({ name: 'web-1', from: raw });
    const directory = await scratch();
    const to = join(directory, 'out');
    const exported = await provider.transfer.export({ image: ref.id, to, format });
    const sizeBytes = (await stat(to)).size;
    expect(exported).toEqual({ path: to, format, sizeBytes, digest: await digestOf(to) });
    if (reader === 'tar') await run('tar', '-xzSf', to, '-C', directory);
    const disk = reader === 'tar' ? join(directory, 'disk.raw') : to;
    expect(await sameDisk(raw, disk, ['raw', reader === 'tar' ? 'raw' : reader])).toBe(true);
  });

  it('refuses a file that stands, a format it has not, and an image that is not there', async () => {
    const provider = await freshProvider();
    const { transfer } = provider;
    const { ref } = await transfer.import({ name: 'web-1', from: await diskFile() });
    const to = join(await scratch(), 'out');
    await writeFile(to, 'precious');
    expect(await refusal(transfer.export({ image: ref.id, to, format: 'raw' }))).toMatch(
      /^ALREADY_EXISTS/,
    );
    expect(await readFile(to, 'utf8')).toBe('precious');
    const none = transfer.export({ image: 'projects/default/images/none', to, format: 'raw' });
    expect(await refusal(none)).toMatch(/^NOT_FOUND/);
  });
});
