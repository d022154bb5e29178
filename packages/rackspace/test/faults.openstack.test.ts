import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';

import { ImgkitError } from '@imgkit/core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';

import { isGlanceImage } from '../src/index.ts';
import { startProxy, type Fault, type Trouble } from './faulty-proxy.ts';
import { endpointOf, kitOf, missing, providerOf, scratch } from './openstack.ts';

const diskBytes = 300_000;

/** A provider whose way to Glance can fail; the proxy takes a prefix off, as those of real clouds do. */
async function world() {
  const glance = await startProxy(await endpointOf('image'), '/image');
  const kit = await kitOf(providerOf('images', { imageEndpoint: glance.url }));
  const provider = kit.providers.require('images', 'transfer');
  const run = `t-${randomBytes(4).toString('hex')}`;
  const labels = { 'imgkit-run': run };
  const directory = await scratch();
  const file = join(directory, 'disk.raw');
  const disk = randomBytes(diskBytes);
  await writeFile(file, disk);
  const ids = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { ref } of provider.images.list({ labels })) found.push(ref.id);
    return found;
  };
  onTestFinished(async () => {
    for (const id of await ids()) await provider.images.delete(id);
  });
  const request = {
    name: run,
    source: { kind: 'file', file },
    family: run,
    labels,
    idempotencyKey: run,
  } as const;
  return { glance, provider, run, labels, directory, file, disk, ids, request };
}

/** Serves bytes to the cloud. */
async function serve(bytes: Buffer): Promise<string> {
  const server = createServer((_, response) => response.end(bytes));
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/disk.raw`;
}

const post = { method: 'POST', path: /\/v2\/images$/ };
const put = { method: 'PUT', path: /\/file$/ };
const patch = { method: 'PATCH', path: /\/images\// };
const remove = { method: 'DELETE', path: /\/images\// };
const busy: Trouble = { status: 503, headers: { 'retry-after': '1' } };

const onTheWay: readonly [string, readonly Fault[]][] = [
  ['the call to make it is lost', [{ ...post, trouble: 'lost call' }]],
  ['the answer that it was made is lost', [{ ...post, trouble: 'lost answer' }]],
  ['the cloud fails when it is made', [{ ...post, trouble: { status: 500 } }]],
  ['the cloud is busy and says for how long', [{ ...post, trouble: busy, times: 2 }]],
  ['its data is lost', [{ ...put, trouble: 'lost call' }]],
  ['the answer that its data stands is lost', [{ ...put, trouble: 'lost answer' }]],
  ['the cloud fails over its data', [{ ...put, trouble: { status: 503 } }]],
  ['its token is refused when the data comes', [{ ...put, trouble: { status: 401 } }]],
  [
    'the answer to its last change is lost, and the call before',
    [
      { ...patch, trouble: 'lost call' },
      { ...patch, trouble: 'lost answer' },
    ],
  ],
];

describe.skipIf(missing !== undefined)('an image whose way to the cloud fails', () => {
  it.for(onTheWay)('is made once when %s', async ([, faults]) => {
    const { glance, provider, ids, request, disk } = await world();
    glance.fail(...faults);
    const image = await provider.images.create(request);
    expect(glance.pending()).toBe(0);
    expect(image).toMatchObject({ status: 'READY', published: true, diskSizeBytes: diskBytes });
    const { native } = await provider.images.get(image.ref.id);
    const sha512 = createHash('sha512').update(disk).digest('hex');
    expect(isGlanceImage(native) && native.os_hash_value).toBe(sha512);
    expect(await ids()).toEqual([image.ref.id]);
    // The same key again is the same image.
    expect((await provider.images.create(request)).ref).toEqual(image.ref);
    expect(await ids()).toEqual([image.ref.id]);
  });

  it('isn’t sent again when only the answer to its data was lost', async () => {
    const { glance, provider, request } = await world();
    glance.fail({ ...put, trouble: 'lost answer' });
    await provider.images.create(request);
    expect(glance.calls.filter(({ call }) => /^PUT .*\/file$/.test(call))).toHaveLength(1);
  });

  it('is gone when the answers to its deletion are lost', async () => {
    const { glance, provider, ids, request } = await world();
    const { ref } = await provider.images.create(request);
    glance.fail({ ...remove, trouble: 'lost answer' }, { ...remove, trouble: 'lost call' });
    await provider.images.delete(ref.id);
    expect(await ids()).toEqual([]);
  });

  it('is fetched by the cloud once when the answer to that call is lost', async () => {
    const { glance, provider, ids, request, disk, file } = await world();
    const served = await serve(await readFile(file));
    glance.fail({ method: 'POST', path: /\/import$/, trouble: 'lost answer' });
    const source = { kind: 'file', file: served } as const;
    const image = await provider.images.create({ ...request, source });
    expect(glance.pending()).toBe(0);
    expect(image).toMatchObject({ status: 'READY', diskSizeBytes: disk.length });
    expect(await ids()).toEqual([image.ref.id]);
  });

  it('is downloaded whole over connections that break, from where they broke', async () => {
    const { glance, provider, directory, request, disk } = await world();
    const { ref } = await provider.images.create(request);
    const get = { method: 'GET', path: /\/file$/ };
    glance.fail(
      { ...get, trouble: { cutAfter: 100_000 } },
      { ...get, trouble: { cutAfter: 50_000 } },
      { ...get, trouble: 'lost call' },
    );
    const to = join(directory, 'copy.raw');
    const exported = await provider.transfer.export({ image: ref.id, to, format: 'raw' });
    expect((await readFile(to)).equals(disk)).toBe(true);
    expect(exported.digest).toBe(`sha256:${createHash('sha256').update(disk).digest('hex')}`);
    const ranges = glance.calls.flatMap(({ call, headers }) =>
      /^GET .*\/file$/.test(call) ? [headers.range] : [],
    );
    expect(ranges).toEqual([undefined, 'bytes=100000-', 'bytes=150000-', 'bytes=150000-']);
  });

  it('leaves no file when the cloud gives other bytes than it said', async () => {
    const { glance, provider, directory, request } = await world();
    const { ref } = await provider.images.create(request);
    glance.fail({ method: 'GET', path: /\/file$/, trouble: { status: 200 } });
    const to = join(directory, 'copy.raw');
    const failed = provider.transfer.export({ image: ref.id, to, format: 'raw' });
    const error: unknown = await failed.then(undefined, (one: unknown) => one);
    expect(ImgkitError.is(error, 'OPERATION_FAILED')).toBe(true);
    await expect(readFile(to)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is nowhere when its upload is aborted', async () => {
    const { provider, ids, request } = await world();
    const stop = new AbortController();
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield randomBytes(100_000);
      stop.abort();
      yield randomBytes(100_000);
    }
    const { name, labels } = request;
    const upload = provider.transfer.import({ name, labels, from: slow() }, stop);
    await expect(upload.then(String)).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await ids()).toEqual([]);
  });

  it('is kept in all the stores that were named, staged or not', async () => {
    const { glance, provider, request, file, disk } = await world();
    const providerOptions = { staged: true, stores: ['archive'] };
    const image = await provider.images.create({ ...request, providerOptions });
    expect(image.native).toMatchObject({ status: 'active', stores: 'archive' });
    const refused = provider.transfer.import({
      ...request,
      name: `${request.name}-2`,
      idempotencyKey: undefined,
      from: file,
      providerOptions: { stores: ['archive', 'local'] },
    });
    // Copying between stores is for administrators here: the image doesn't stay half made.
    await expect(refused.then(String)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });

    // An administrator's is, once, when the answer to that call is lost.
    const kit = await kitOf(providerOf('admin', { imageEndpoint: glance.url }));
    const admin = kit.providers.require('admin', 'transfer');
    const copy = { method: 'POST', path: /\/import$/ };
    glance.fail({ ...copy, trouble: 'lost answer' });
    const both = await admin.transfer.import({
      name: `${request.name}-3`,
      from: file,
      providerOptions: { stores: ['archive', 'local'] },
    });
    onTestFinished(async () => admin.images.delete(both.ref.id));
    expect(glance.pending()).toBe(0);
    const { status, size, stores } = z
      .looseObject({ status: z.string(), size: z.number(), stores: z.string() })
      .parse(both.native);
    expect({ status, size }).toEqual({ status: 'active', size: disk.length });
    expect(stores.split(',').toSorted()).toEqual(['archive', 'local']);
  });
});
