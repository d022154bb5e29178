import { open, readFile, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';

import {
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { ImgkitError, type Provider } from '@imgkit/core';
import { vhdFooter } from '@imgkit/core/local';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { failure, makeRaw, run, scratch } from '../../core/test/scratch.ts';
import { startAzurite, type Azurite } from './azurite.ts';
import { startBlobFront, type BlobFront, type Mishap } from './blob-front.ts';
import { startAzure, storageOf, type EmulatedAzure } from './emulated-azure.ts';
import { killedCall } from './killed-call.ts';

const mib = 2 ** 20;
let azurite: Azurite;
let front: BlobFront;
let cloud: EmulatedAzure;
let provider: Provider;

// Azurite takes its time to start on a busy machine.
beforeAll(async () => {
  azurite = await startAzurite('vhds');
  front = await startBlobFront(azurite);
  const { account, key } = azurite;
  cloud = await startAzure({ blobs: { endpoint: front.endpoint, account, key } });
  provider = await cloud.provider({ storage: storage() });
}, 120_000);
afterAll(async () => {
  await cloud[Symbol.asyncDispose]();
  await front[Symbol.asyncDispose]();
  await azurite[Symbol.asyncDispose]();
});

let serial = 0;
beforeEach(async () => {
  serial += 1;
  front.look = () => undefined;
  front.requests.splice(0);
  for (const name of await blobs())
    await azurite.service.getContainerClient('vhds').deleteBlob(name);
});

function storage(more: object = {}) {
  return { ...storageOf({ ...azurite, endpoint: front.endpoint }), ...more };
}

/** A disk of 16 MiB with 6 MiB of data, which ends in the middle of a MiB. */
async function disk(): Promise<string> {
  const data = [
    { at: 0, length: 4096 },
    { at: 3 * mib - 100, length: 5 * mib },
    { at: 12 * mib, length: mib / 2 },
  ];
  const path = await makeRaw(join(await scratch(), 'disk.raw'), 16 * mib - 512, data);
  // Zeros that are written are zeros all the same.
  const file = await open(path, 'r+');
  await file.write(Buffer.alloc(2 * mib), 0, 2 * mib, 9 * mib);
  await file.close();
  return path;
}

function create(file: string, idempotencyKey?: string, at = provider) {
  const name = `web-${serial}`;
  return at.images.create({ name, source: { kind: 'file', file }, idempotencyKey });
}

async function blobs(): Promise<string[]> {
  const names: string[] = [];
  const container = azurite.service.getContainerClient('vhds');
  for await (const { name } of container.listBlobsFlat()) names.push(name);
  return names;
}

/** Lets the first requests that pages are written with come to grief. */
function firstPages(...mishaps: readonly Mishap[]): void {
  const left = [...mishaps];
  front.look = ({ comp, method }) =>
    comp === 'page' && method === 'PUT' ? left.shift() : undefined;
}

/** Whether the image of a call has exactly the bytes of a file, and zeros behind. */
async function hasBytesOf(file: string, id: string): Promise<void> {
  const to = join(await scratch(), 'out.raw');
  await provider.transfer?.export({ image: id, to, format: 'raw' });
  const [raw, back] = [await readFile(file), await readFile(to)];
  expect(back.length).toBe(Math.ceil(raw.length / mib) * mib);
  expect(back.subarray(0, raw.length).equals(raw)).toBe(true);
  expect(back.subarray(raw.length).every((byte) => byte === 0)).toBe(true);
}

describe('a disk file', () => {
  it('becomes an image by way of a fixed VHD in a page blob, which is removed', async () => {
    const file = await disk();
    const making = create(file);
    const fractions: number[] = [];
    for await (const { fraction } of making) if (fraction) fractions.push(fraction);
    const image = await making;
    expect(image).toMatchObject({ status: 'READY', diskSizeBytes: 16 * mib });
    expect(fractions).toContain(1);
    expect(await blobs()).toEqual([]);
    await hasBytesOf(file, image.ref.id);
    // No zeros are sent, no more than Azure takes at once, and everything with its checksum.
    const pages = front.requests.filter(({ comp, bytes }) => comp === 'page' && bytes > 0);
    expect(front.pageBytes()).toBeLessThan(5.9 * mib);
    for (const { bytes, headers } of pages) {
      expect(bytes).toBeLessThanOrEqual(4 * mib);
      expect(bytes % 512).toBe(0);
      expect(headers['content-md5']).toHaveLength(24);
    }
  });

  it('of a format that needs it is unpacked first, and the blob is kept if wanted', async () => {
    const file = await disk();
    const vhdx = `${file}.vhdx`;
    await run('qemu-img', 'convert', '-f', 'raw', '-O', 'vhdx', file, vhdx);
    const keeping = await cloud.provider({ storage: storage({ keepUploads: true }) });
    const image = await create(vhdx, undefined, keeping);
    await hasBytesOf(file, image.ref.id);
    const [kept = ''] = await blobs();
    expect(kept).toMatch(/^imgkit\/web-\d+-[\da-f]{16}-[\da-f]{8}\.vhd$/);
    await azurite.service.getContainerClient('vhds').deleteBlob(kept);
  });

  it('that is a fixed VHD goes up as it is', async () => {
    const path = join(await scratch(), 'disk.vhd');
    const bytes = Buffer.concat([Buffer.alloc(3 * mib, 'data'), vhdFooter(3 * mib)]);
    await writeFile(path, bytes);
    const { ref } = await create(path);
    const to = `${path}.back`;
    await provider.transfer?.export({ image: ref.id, to, format: 'azure-vhd' });
    expect((await readFile(to)).equals(bytes)).toBe(true);
  });

  it('that Azure could not take is refused before anything is made', async () => {
    const directory = await scratch();
    const odd = join(directory, 'odd.vhd');
    const half = mib + mib / 2;
    await writeFile(odd, Buffer.concat([Buffer.alloc(half), vhdFooter(half)]));
    const changed = join(directory, 'changed.vhd');
    await writeFile(changed, Buffer.concat([Buffer.alloc(mib), vhdFooter(mib).fill(9, 72, 76)]));
    const before = cloud.emulator.ids();
    const unstored = await cloud.provider();
    const refusals = [
      [create(odd), 'INVALID_ARGUMENT', /qemu-img convert/],
      [create(changed), 'INVALID_ARGUMENT', /qemu-img convert/],
      [create(join(directory, 'none')), 'NOT_FOUND', /^/],
      [create(odd, undefined, unstored), 'FAILED_PRECONDITION', /azure\({ storage/],
    ] as const;
    for (const [call, code, hint] of refusals) {
      const error = await failure(call);
      expect(error.code).toBe(code);
      expect(error.hint ?? '').toMatch(hint);
    }
    expect(cloud.emulator.ids()).toEqual(before);
    expect(front.requests).toEqual([]);
  });
});

describe('an upload', () => {
  it('of a process that is killed in the middle is gone on with', async () => {
    const data = [{ at: 0, length: 40 * mib }];
    const file = await makeRaw(join(await scratch(), 'disk.raw'), 44 * mib, data);
    // 24 MiB arrive, then no page is answered any more.
    front.look = ({ comp }) =>
      comp === 'page' && front.pageBytes() > 24 * mib ? 'stall' : undefined;
    const request = {
      name: 'killed-1',
      source: { kind: 'file', file },
      idempotencyKey: 'killed',
    } as const;
    const marked = (): boolean => front.requests.some(({ comp }) => comp === 'metadata');
    await killedCall(
      {
        call: 'images.create',
        request: { ...request, labels: { 'imgkit-run': 'killed' } },
        stateDirectory: await scratch(),
        options: { ...cloud.options, storage: storage() },
      },
      () => front.pageBytes() > 24 * mib && marked(),
    );
    const [left = ''] = await blobs();

    // A sweep would find it.
    const owned: string[] = [];
    for await (const { kind, id } of provider.owned.list({ 'imgkit-run': 'killed' }))
      owned.push(`${kind} ${id}`);
    expect(owned).toEqual([`image ${front.endpoint}/vhds/${left}`]);

    front.look = () => undefined;
    front.requests.splice(0);
    const next = await cloud.provider({ storage: storage() });
    const image = await next.images.create(request);
    expect(front.pageBytes()).toBeGreaterThan(15 * mib);
    expect(front.pageBytes()).toBeLessThan(37 * mib);
    expect(await blobs()).toEqual([]);
    await hasBytesOf(file, image.ref.id);
    // What stands already is not uploaded again.
    front.requests.splice(0);
    expect((await next.images.create(request)).ref).toEqual(image.ref);
    expect(front.pageBytes()).toBe(0);
  }, 60_000);

  it('of a killed process that no run made is swept once it has expired', async () => {
    const file = await disk();
    // The blob is made, and the process hears nothing of that.
    front.look = ({ comp, method }) =>
      comp === null && method === 'PUT' ? 'drop-after' : undefined;
    const stateDirectory = await scratch();
    const options = { ...cloud.options, storage: storage() };
    const request = { name: 'killed-2', source: { kind: 'file', file } } as const;
    const made = (): boolean =>
      front.requests.some(({ comp, method }) => comp === null && method === 'PUT');
    await killedCall({ call: 'images.create', request, stateDirectory, options }, made);
    const [left = ''] = await blobs();
    let now = Date.now();
    const clock = { now: () => now, sleep: () => delay(1) };
    const kit = await cloud.open({ stateDirectory, clock, storage: storage() });
    expect((await kit.runs.sweep({ dryRun: false })).removed).toEqual([]);
    now += 8 * 24 * 3_600_000;
    expect((await kit.runs.sweep({ dryRun: false })).removed).toEqual([
      { provider: 'azure', kind: 'image', id: `${front.endpoint}/vhds/${left}` },
    ]);
    expect(await blobs()).toEqual([]);
  }, 60_000);

  it.each(['drop-before', 'drop-after', 'busy'] as const)(
    'goes on after trouble on the way: %s',
    async (mishap) => {
      const file = await disk();
      firstPages(mishap, mishap);
      const { ref, status } = await create(file);
      expect(status).toBe('READY');
      await hasBytesOf(file, ref.id);
    },
  );

  it('whose first answer gets lost goes on with its blob', async () => {
    const file = await disk();
    let lost = 0;
    front.look = ({ headers }) =>
      headers['x-ms-blob-type'] !== undefined && (lost += 1) === 1 ? 'drop-after' : undefined;
    const { ref } = await create(file);
    expect(lost).toBe(2);
    await hasBytesOf(file, ref.id);
  });

  it('that gives up after trouble goes on with the next call of its key', async () => {
    const file = await disk();
    front.look = ({ comp, method }) =>
      comp === 'page' && method === 'PUT' && front.pageBytes() > mib ? 'busy' : undefined;
    const error = await failure(create(file, 'again'));
    expect(error).toMatchObject({ code: 'UNAVAILABLE', providerCode: 'ServerBusy' });
    expect(await blobs()).toHaveLength(1);
    front.look = () => undefined;
    const { ref } = await create(file, 'again');
    await hasBytesOf(file, ref.id);
    expect(await blobs()).toEqual([]);
  });

  it('of a file that was changed meanwhile starts anew', async () => {
    const file = await disk();
    firstPages(...Array.from({ length: 60 }, () => 'busy' as const));
    await failure(create(file, 'changed'));
    const [first] = await blobs();
    await truncate(file, 10 * mib);
    front.look = () => undefined;
    const keeping = await cloud.provider({ storage: storage({ keepUploads: true }) });
    const { ref } = await create(file, 'changed', keeping);
    const [second = '', ...more] = await blobs();
    expect([second === first, ...more]).toEqual([false]);
    await hasBytesOf(file, ref.id);
    await azurite.service.getContainerClient('vhds').deleteBlob(second);
  });

  it('of a file that is written to at the same time ends with an error, and leaves nothing', async () => {
    const file = await disk();
    front.look = async ({ comp }) => {
      if (comp === 'page') await utimes(file, new Date(), new Date(Date.now() - 5000));
      return undefined;
    };
    expect(await failure(create(file, 'written'))).toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('was changed while'),
    });
    expect(await blobs()).toEqual([]);
  });

  it('that others write to ends with an error, and leaves nothing', async () => {
    const file = await disk();
    let meddled = false;
    front.look = async ({ comp, method }) => {
      if (meddled || comp !== 'page' || method !== 'PUT') return undefined;
      meddled = true;
      const [name = ''] = await blobs();
      const blob = azurite.service.getContainerClient('vhds').getPageBlobClient(name);
      await blob.uploadPages(Buffer.alloc(512, 1), 14 * mib, 512);
      return undefined;
    };
    expect(await failure(create(file, 'meddled'))).toMatchObject({ code: 'OPERATION_FAILED' });
    expect(await blobs()).toEqual([]);
  });

  it('that is aborted leaves nothing', async () => {
    const file = await disk();
    const stop = new AbortController();
    front.look = ({ comp }) => (comp === 'page' ? (stop.abort(), 'stall') : undefined);
    const source = { kind: 'file', file } as const;
    const request = { name: `web-${serial}`, source, idempotencyKey: 'aborted' };
    const making = provider.images.create(request, { signal: stop.signal });
    expect((await failure(making)).code).toBe('CANCELLED');
    expect(await blobs()).toEqual([]);
    expect(cloud.emulator.ids().filter((id) => id.includes(`web-${serial}`))).toEqual([]);
  });
});

describe('a storage account', () => {
  const wrongKey = Buffer.alloc(64, 7).toString('base64');

  it.each([
    [{ container: 'none' }, 'NOT_FOUND', 'ContainerNotFound', /az storage container create/],
    [
      { credentials: { kind: 'key', key: wrongKey } },
      'PERMISSION_DENIED',
      'AuthorizationFailure',
      /Storage Blob Data Contributor/,
    ],
  ])('that does not take uploads says what to do: %j', async (more, code, providerCode, hint) => {
    const other = await cloud.provider({ storage: storage(more) });
    const error = await failure(create(await disk(), undefined, other));
    expect([error.code, error.providerCode]).toEqual([code, providerCode]);
    expect(error.hint).toMatch(hint);
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(wrongKey);
  });

  it('may be used by a signature, which no error and no address shows', async () => {
    const sas = generateBlobSASQueryParameters(
      {
        containerName: 'vhds',
        permissions: ContainerSASPermissions.parse('rwdlc'),
        expiresOn: new Date(Date.now() + 3_600_000),
      },
      new StorageSharedKeyCredential(azurite.account, azurite.key),
    ).toString();
    const credentials = { kind: 'sas', sas: `?${sas}` };
    const signed = await cloud.provider({ storage: storage({ credentials }) });
    const file = await disk();
    await hasBytesOf(file, (await create(file, undefined, signed)).ref.id);
    firstPages(...Array.from({ length: 60 }, () => 'busy' as const));
    serial += 1000;
    const error = await failure(create(file, undefined, signed));
    expect(ImgkitError.is(error, 'UNAVAILABLE')).toBe(true);
    const signature = new URLSearchParams(sas).get('sig') ?? '';
    const shown = inspect(error, { depth: 3 }) + JSON.stringify(error);
    expect(shown).not.toContain(encodeURIComponent(signature));
    expect(shown).not.toContain(signature);
    for (const { body } of cloud.emulator.requests)
      expect(JSON.stringify(body ?? null)).not.toContain('sig=');
  });
});
