import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it, vi } from 'vitest';

import { emulatedCloud, type EmulatedCloud } from './emulated-cloud.ts';

// Google's client reads twelve megabytes of description first, which takes a while on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const bucket = 'imgkit-uploads';
let cloud: EmulatedCloud;
let directory: string;
let file: string;

beforeAll(async () => {
  cloud = await emulatedCloud();
  directory = await mkdtemp(join(tmpdir(), 'imgkit-gce-'));
  file = join(directory, 'disk.raw');
  await writeFile(file, Buffer.alloc(300_000, 'a disk'));
  await truncate(file, 3 * 2 ** 20);
});
afterAll(async () => {
  await cloud[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

/** The names of the objects in the bucket. */
async function objects(): Promise<readonly unknown[]> {
  const { storageEndpoint } = cloud.emulator;
  const answer = await fetch(`${storageEndpoint}/storage/v1/b/${bucket}/o`);
  const body: unknown = await answer.json();
  const items: unknown = Reflect.get(Object(body), 'items') ?? [];
  return Array.isArray(items) ? items : [];
}

it('a file of this machine is uploaded in pieces, labelled, and removed when the image stands', async () => {
  const { emulator, provider } = cloud;
  const dropped = emulator.faults.add({ rpc: 'Objects.Upload', kind: 'drop', when: 'before' });
  const labels = { 'imgkit-run': 'uploads' };
  const operation = provider.images.create({
    name: 'web-1',
    source: { kind: 'file', file },
    labels,
  });
  const seen: string[] = [];
  for await (const { message } of operation) seen.push(message);
  const image = await operation;
  expect(image).toMatchObject({ status: 'READY', diskSizeBytes: 2 ** 30, labels });
  expect(dropped.struck).toBe(1);
  expect(new Set(seen)).toEqual(
    new Set(['reading the disk', 'uploading the disk', 'making the image']),
  );
  expect(await objects()).toEqual([]);
});

it('what was uploaded carries the labels, and is removed by whoever waits for the image', async () => {
  const { emulator, provider, other } = cloud;
  const slow = emulator.faults.add({ rpc: 'GlobalOperations.Wait', kind: 'delay', ms: 60_000 });
  const stop = new AbortController();
  const labels = { 'imgkit-run': 'uploads' };
  const request = { name: 'web-5', source: { kind: 'file', file }, labels } as const;
  const operation = provider.images.create(request, { signal: stop.signal });
  for await (const { message } of operation) if (message === 'making the image') stop.abort();
  const pending: unknown = await operation.then(undefined, (error: unknown) => error);
  expect(pending).toMatchObject({ code: 'PENDING', token: await operation.token() });
  expect(await objects()).toMatchObject([{ metadata: labels, contentType: 'application/gzip' }]);
  slow.remove();
  expect(await other.resume(await operation.token())).toMatchObject({ status: 'READY' });
  expect(await objects()).toEqual([]);
});

it('what was uploaded for an image that can’t be made is removed too', async () => {
  const { emulator, provider } = cloud;
  emulator.faults.add({ rpc: 'Images.Insert', kind: 'operation-error', code: 'INTERNAL_ERROR' });
  const failing = provider.images.create({ name: 'web-2', source: { kind: 'file', file } });
  await expect(failing).rejects.toMatchObject({ code: 'OPERATION_FAILED' });
  expect(await objects()).toEqual([]);
});

it('a bucket that isn’t there, or may not be written, is said to be so', async () => {
  const { emulator, provider } = cloud;
  const source = { kind: 'file', file } as const;
  for (const [status, code] of [
    [404, 'NOT_FOUND'],
    [403, 'PERMISSION_DENIED'],
    [401, 'UNAUTHENTICATED'],
    [501, 'UNSUPPORTED'],
  ] as const) {
    emulator.faults.add({ rpc: 'Objects.Insert', kind: 'status', status });
    const refused = provider.images.create({ name: 'web-3', source });
    await expect(refused).rejects.toMatchObject({ code, provider: 'gce' });
  }
});

it('nothing is exported, and the hint says what does', async () => {
  const image = await cloud.provider.images.create({
    name: 'web-4',
    source: { kind: 'image', image: cloud.base },
  });
  const exporting = cloud.provider.transfer?.export({
    image: image.ref.id,
    to: join(directory, 'out.raw'),
    format: 'raw',
  });
  await expect(exporting).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    hint: expect.stringContaining('gcloud compute images export'),
  });
});

it('sends nothing that Google would not understand', () => {
  expect(cloud.emulator.violations).toEqual([]);
});
