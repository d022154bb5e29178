import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startOperation, type Labels, type OwnedResource, type Provider } from '@imgkit/core';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

import { Credentials } from '../src/api/credentials.ts';
import { listenTo } from '../src/api/sdk-calls.ts';
import type { GceCredentials } from '../src/options.ts';
import { BucketUploads } from '../src/transfer/bucket-uploads.ts';
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

/** Uploads as a process does that is killed before it asks for the image. */
async function uploadOnly(
  name: string,
  labels: Labels,
  who: GceCredentials = { kind: 'none' },
): Promise<void> {
  const settings = { project: 'imgkit-test', universeDomain: undefined };
  const credentials = new Credentials({
    credentials: who,
    tried: [],
    onHeaders: listenTo,
    ...settings,
  });
  const endpoint = new URL(cloud.emulator.storageEndpoint);
  const uploads = new BucketUploads({ credentials, bucket, endpoint, ...settings });
  await startOperation((control) => uploads.upload(file, { name, labels }, control));
}

async function owned(provider: Provider, labels: Labels): Promise<readonly OwnedResource[]> {
  const found: OwnedResource[] = [];
  for await (const one of provider.owned.list(labels)) found.push(one);
  return found;
}

it('what was uploaded by a process that is gone is found by its labels, and removed', async () => {
  const { provider, other } = cloud;
  const labels = { 'imgkit-run': 'Killed Run', 'imgkit-owner': 'me' };
  await uploadOnly('web-6', labels);
  await uploadOnly('web-7', { ...labels, 'imgkit-run': 'another' });
  const [left, ...others] = await owned(other, labels);
  if (left === undefined) throw new Error('nothing is found');
  expect(others).toEqual([]);
  expect(left).toMatchObject({ kind: 'image', labels });
  expect(left.id).toBe(`gs://${bucket}/${left.name}`);
  expect(left.name).toMatch(/^imgkit\/web-6-.*\.tar\.gz$/);
  expect(Date.parse(left.createdAt)).toBeGreaterThan(Date.parse('2020-01-01'));

  await other.owned.delete('image', left.id);
  await other.owned.delete('image', left.id);
  expect(await owned(provider, labels)).toEqual([]);
  const [last] = await owned(provider, { 'imgkit-owner': 'me' });
  expect(last?.name, 'the other stands').toContain('web-7');
  await provider.owned.delete('image', last?.id ?? '');
  expect(await objects()).toEqual([]);
});

it('whoever may not write to the bucket is refused, on another server than Google’s too', async () => {
  const { emulator, provider } = cloud;
  const member = 'user:ann@example.com';
  const labels = { 'imgkit-owner': 'ann' };
  const who = { kind: 'token', token: emulator.token(member) } as const;
  await expect(uploadOnly('web-8', labels, who)).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
  });
  expect(await objects()).toEqual([]);
  const binding = { role: 'roles/storage.objectAdmin', members: [member] };
  emulator.project('imgkit-test').setBindings([binding]);
  await uploadOnly('web-8', labels, who);
  const [made] = await owned(provider, labels);
  await provider.owned.delete('image', made?.id ?? '');
  expect(await objects()).toEqual([]);
});

it('only uploads are removed from the bucket', async () => {
  for (const id of [`gs://${bucket}/theirs.tar.gz`, 'gs://other/imgkit/web.tar.gz'])
    await expect(cloud.provider.owned.delete('image', id)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      operation: 'owned.delete',
      resource: id,
    });
});

it('uploads are looked for in a bucket only, and not where there is none', async () => {
  const { emulator, provider, consumer } = cloud;
  const asked = () => emulator.requests.filter(({ rpc }) => rpc === 'Objects.List').length;
  const before = asked();
  expect(await owned(consumer, {})).toEqual([]);
  expect(asked(), 'a provider without a bucket').toBe(before);
  emulator.faults.add({ rpc: 'Objects.List', kind: 'status', status: 404 });
  expect(await owned(provider, { 'imgkit-owner': 'nobody' })).toEqual([]);
  expect(asked()).toBe(before + 1);
  emulator.faults.add({ rpc: 'Objects.List', kind: 'status', status: 403 });
  await expect(owned(provider, { 'imgkit-owner': 'nobody' })).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
    provider: 'gce',
    operation: 'owned.list',
  });
});

it('a bucket that isn’t there, or may not be written, is said to be so', async () => {
  const { emulator, provider } = cloud;
  const source = { kind: 'file', file } as const;
  for (const [status, code] of [
    [400, 'INVALID_ARGUMENT'],
    [404, 'NOT_FOUND'],
    [412, 'FAILED_PRECONDITION'],
    [403, 'PERMISSION_DENIED'],
    [401, 'UNAUTHENTICATED'],
    [501, 'UNSUPPORTED'],
  ] as const) {
    emulator.faults.add({ rpc: 'Objects.Insert', kind: 'status', status });
    const refused = provider.images.create({ name: 'web-3', source });
    const hint = expect.stringMatching(/\w+/);
    await expect(refused).rejects.toMatchObject({ code, hint, provider: 'gce' });
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
