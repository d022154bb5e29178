import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';

import { CRC32C, Storage } from '@google-cloud/storage';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { startGceEmulator, type GceEmulator } from '../gce-emulator.ts';
import { quantum } from './uploads.ts';

const project = 'imgkit-test';

let emulator: GceEmulator;
let storage: Storage;

beforeAll(async () => {
  emulator = await startGceEmulator();
  emulator.project(project).addBucket('images');
  storage = client();
});
beforeEach(() => {
  emulator.faults.clear();
});
afterAll(() => emulator.close());

function client(): Storage {
  return new Storage({
    apiEndpoint: emulator.storageEndpoint,
    projectId: project,
    retryOptions: { autoRetry: true, maxRetries: 3, retryDelayMultiplier: 1, maxRetryDelay: 1 },
  });
}

describe("Cloud Storage, through Google's own client", () => {
  it('takes an object in chunks and gives it back', async () => {
    const bytes = randomBytes(2 * quantum + 1000);
    const file = storage.bucket('images').file('a/disk 1.tar.gz');
    const upload = file.createWriteStream({
      resumable: true,
      chunkSize: quantum,
      contentType: 'application/gzip',
      metadata: { metadata: { owner: 'tests' } },
    });
    await pipeline(Readable.from([bytes]), upload);

    const [found] = await file.getMetadata();
    expect(found).toMatchObject({
      name: 'a/disk 1.tar.gz',
      size: String(bytes.length),
      contentType: 'application/gzip',
      metadata: { owner: 'tests' },
    });
    const [whole] = await file.download();
    expect(whole.equals(bytes)).toBe(true);
    const [part] = await file.download({ start: 10, end: 19 });
    expect(part.equals(bytes.subarray(10, 20))).toBe(true);
    const puts = emulator.requests.filter(({ rpc }) => rpc === 'Objects.Upload');
    expect(puts.map(({ status }) => status)).toEqual([308, 308, 200]);
  });

  it('goes on with an upload that another process began, from what was kept', async () => {
    const bytes = randomBytes(3 * quantum);
    const file = storage.bucket('images').file('resumed');
    const [uri] = await file.createResumableUpload({ metadata: { contentType: 'text/x' } });
    // The connection breaks in the middle of the second quantum.
    await breakOff(uri, bytes.subarray(0, quantum + 77), bytes.length);
    const status = await fetch(uri, {
      method: 'PUT',
      headers: { 'content-range': `bytes */${bytes.length}` },
    });
    expect(status.status).toBe(308);
    expect(status.headers.get('range')).toBe(`bytes=0-${quantum - 1}`);

    await pipeline(
      Readable.from([bytes.subarray(quantum)]),
      file.createWriteStream({
        uri,
        resumable: true,
        offset: quantum,
        resumeCRC32C: crc(bytes.subarray(0, quantum)),
      }),
    );
    const [whole] = await file.download();
    expect(whole.equals(bytes)).toBe(true);
    // Asked again, a finished upload gives the object.
    const again = await fetch(uri, { method: 'PUT', headers: { 'content-range': 'bytes */*' } });
    expect(await again.json()).toMatchObject({ name: 'resumed', size: String(bytes.length) });
  });

  it('sends a chunk again when its answer got lost', async () => {
    const bytes = randomBytes(2 * quantum);
    // A client of its own: an upload without a precondition turns the retries of a client off for good.
    const file = client().bucket('images').file('retried');
    emulator.faults.add({ rpc: 'Objects.Upload', kind: 'drop', when: 'after' });
    await pipeline(
      Readable.from([bytes]),
      file.createWriteStream({
        resumable: true,
        chunkSize: quantum,
        // Only then does the client retry: the object can't be made twice.
        preconditionOpts: { ifGenerationMatch: 0 },
      }),
    );
    const [whole] = await file.download();
    expect(whole.equals(bytes)).toBe(true);
  });

  it('refuses a hole, a short chunk, and more than was announced', async () => {
    const [uri] = await storage.bucket('images').file('refused').createResumableUpload();
    const put = async (size: number, range: string) => {
      const answer = await fetch(uri, {
        method: 'PUT',
        headers: { 'content-range': range },
        body: randomBytes(size),
      });
      return [answer.status, await answer.text()];
    };
    expect(await put(10, 'bytes 100-109/*')).toEqual([
      400,
      expect.stringContaining('offset is 100'),
    ]);
    expect(await put(10, 'bytes 0-9/*')).toEqual([400, expect.stringContaining('262144')]);
    expect(await put(10, 'bytes 0-9/5')).toEqual([
      400,
      expect.stringContaining('5 were announced'),
    ]);
    expect(await put(10, 'bytes 9-0')).toEqual([400, expect.stringContaining('Content-Range')]);
  });

  it('takes a whole object at once, only as often as it is new', async () => {
    const url = `${emulator.storageEndpoint}/upload/storage/v1/b/images/o?uploadType=media&name=once&ifGenerationMatch=0`;
    const first = await fetch(url, { method: 'POST', body: 'hello' });
    expect(await first.json()).toMatchObject({
      size: '5',
      md5Hash: 'XUFAKrxLKna5cZ2REBfFkg==',
      crc32c: 'mnG7TA==',
    });
    const second = await fetch(url, { method: 'POST', body: 'hello' });
    expect(second.status).toBe(412);
    const [files] = await storage.bucket('images').getFiles({ prefix: 'on' });
    expect(files.map(({ name }) => name)).toEqual(['once']);
    await storage.bucket('images').file('once').delete();
    expect(await storage.bucket('images').file('once').exists()).toEqual([false]);
  });

  it('keeps a bucket from those who may not use it', async () => {
    const object = `${emulator.storageEndpoint}/storage/v1/b/images/o/x`;
    const token = emulator.token('user:mallory@example.com');
    const answer = await fetch(object, { headers: { authorization: `Bearer ${token}` } });
    expect(answer.status).toBe(403);
    expect(await text(answer.body ?? Readable.from(''))).toContain('storage.objects.get');
    emulator
      .project(project)
      .setBindings([{ role: 'roles/storage.objectViewer', members: ['user:mallory@example.com'] }]);
    const later = await fetch(object, { headers: { authorization: `Bearer ${token}` } });
    expect(later.status).toBe(404);
  });

  it('makes buckets, and names what it has not', async () => {
    const [bucket] = await storage.createBucket('fresh', { location: 'europe-west4' });
    const [found] = await bucket.getMetadata();
    expect(found).toMatchObject({
      name: 'fresh',
      location: 'EUROPE-WEST4',
      locationType: 'region',
    });
    await expect(storage.createBucket('fresh')).rejects.toMatchObject({ code: 409 });
    const other = await fetch(`${emulator.storageEndpoint}/storage/v1/b/images/iam`);
    expect(other.status).toBe(501);
    expect(emulator.violations.at(-1)?.message).toContain('/storage/v1/b/images/iam');
  });
});

function crc(bytes: Uint8Array): string {
  const value = new CRC32C();
  value.update(Buffer.from(bytes));
  return value.toString();
}

function uploads() {
  return emulator.requests.filter(({ rpc }) => rpc === 'Objects.Upload');
}

/** Sends the start of a request and breaks the connection. */
async function breakOff(uri: string, bytes: Uint8Array, total: number): Promise<void> {
  const before = uploads().length;
  const { promise: broken, resolve } = Promise.withResolvers<void>();
  const request = httpRequest(uri, {
    method: 'PUT',
    headers: { 'content-length': total, 'content-range': `bytes 0-${total - 1}/${total}` },
  });
  request.once('error', () => resolve());
  request.write(bytes, () => request.destroy(new Error('broken on purpose')));
  await broken;
  await expect.poll(() => uploads()[before]?.status, { timeout: 10_000 }).toBe(499);
}
