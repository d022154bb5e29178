import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { readInfo, runTool } from '@imgkit/core/local';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { cloudImage } from './cloud-image.ts';

let directory: string;
let cache: string;
let server: Server | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imgkit-cloud-'));
  cache = join(directory, 'cache');
});

afterEach(async () => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  await rm(directory, { recursive: true, force: true });
});

const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

async function serve(listener: RequestListener): Promise<string> {
  const listening = createServer(listener);
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const address = listening.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `http://127.0.0.1:${address.port}/image.qcow2?token=secret`;
}

async function qcow2(): Promise<Buffer> {
  const raw = join(directory, 'small.raw');
  await writeFile(raw, Buffer.concat([randomBytes(65_536), Buffer.alloc(983_040)]));
  const path = join(directory, 'small.qcow2');
  await runTool('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, path]);
  return await readFile(path);
}

async function leftovers(): Promise<readonly string[]> {
  return (await readdir(cache)).filter((name) => !name.endsWith('.lock'));
}

describe('cloudImage', () => {
  it('downloads an image once and keeps its checksum', async () => {
    const data = await qcow2();
    let requests = 0;
    const url = await serve((_request, response) => {
      requests += 1;
      response.end(data);
    });
    const fractions: number[] = [];
    const builder = cloudImage({ url, sha256: sha256(data).toUpperCase(), defaultUser: 'debian' });
    const image = await builder.build(cache, {
      onProgress: ({ fraction }) => void (fraction !== undefined && fractions.push(fraction)),
    });
    expect(image).toMatchObject({ sha256: sha256(data), defaultUser: 'debian' });
    expect(image.description).toBe('the cloud image image.qcow2');
    expect(fractions.at(-1)).toBe(1);
    expect((await builder.build(cache)).path).toBe(image.path);
    expect(requests).toBe(1);
  });

  it('refuses another checksum and keeps nothing', async () => {
    const data = await qcow2();
    const url = await serve((_request, response) => void response.end(data));
    const wrong = 'a'.repeat(64);
    const failure = cloudImage({ url, sha256: wrong }).build(cache);
    await expect(failure).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      data: { found: sha256(data), expected: wrong },
      message: expect.not.stringContaining('secret'),
    });
    expect(await leftovers()).toEqual([]);
  });

  it.each([
    [404, 'NOT_FOUND'],
    [403, 'PERMISSION_DENIED'],
    [503, 'UNAVAILABLE'],
  ])('says what the status %i means', async (status, code) => {
    const url = await serve((_request, response) => void response.writeHead(status).end());
    await expect(cloudImage({ url, sha256: 'a'.repeat(64) }).build(cache)).rejects.toMatchObject({
      code,
      resource: expect.not.stringContaining('secret'),
    });
    expect(await leftovers()).toEqual([]);
  });

  it('is not content with half of an image, nor with no server', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('half');
      setImmediate(() => response.destroy());
    });
    const options = { url, sha256: 'a'.repeat(64) };
    await expect(cloudImage(options).build(cache)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    server?.close();
    await expect(cloudImage(options).build(cache)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await leftovers()).toEqual([]);
  });

  it('stops downloading when it is cancelled', async () => {
    const stop = new AbortController();
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('a', () => stop.abort());
    });
    const build = cloudImage({ url, sha256: 'a'.repeat(64) }).build(cache, { signal: stop.signal });
    await expect(build).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await leftovers()).toEqual([]);
  });

  it('imports a file of any known format, as a whole disk of its own', async () => {
    await qcow2();
    const file = join(directory, 'small.raw');
    const image = await cloudImage({ file }).build(cache);
    const info = await readInfo(image.path, 'qcow2');
    expect(info).toMatchObject({ virtualSize: 1_048_576, backingFile: undefined });
    await runTool('qemu-img', ['compare', '-f', 'raw', '-F', 'qcow2', file, image.path]);
    const again = await cloudImage({ file }).build(cache);
    expect(again.builtAt).toBe(image.builtAt);
    await using handle = await open(file, 'r+');
    await handle.write('changed', 0);
    expect((await cloudImage({ file }).build(cache)).recipeDigest).not.toBe(image.recipeDigest);
  });

  it('takes file: addresses', async () => {
    const data = await qcow2();
    const url = pathToFileURL(join(directory, 'small.qcow2')).href;
    const image = await cloudImage({ url, sha256: sha256(data) }).build(cache);
    expect(image.sha256).toBe(sha256(data));
    const gone = pathToFileURL(join(directory, 'gone')).href;
    await expect(
      cloudImage({ url: gone, sha256: 'a'.repeat(64) }).build(cache),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('refuses a disk that reads other files', async () => {
    const raw = join(directory, 'secret.raw');
    await writeFile(raw, Buffer.alloc(65_536));
    const file = join(directory, 'overlay.qcow2');
    await runTool('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', raw, file]);
    await expect(cloudImage({ file }).build(cache)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    expect(await leftovers()).toEqual([]);
  });

  it('refuses what can be no image before it does anything', () => {
    expect(() => cloudImage({ url: 'ftp://x.test/i', sha256: 'a'.repeat(64) })).toThrow('http');
    expect(() => cloudImage({ url: 'http://x.test/i', sha256: 'short' })).toThrow('SHA-256');
  });
});
