import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import type { Provider } from '@imgkit/core';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';

import { failure, makeRaw, run, scratch } from '../../core/test/scratch.ts';
import { startAzurite, type Azurite } from './azurite.ts';
import { startBlobFront, type BlobFront, type FrontRequest } from './blob-front.ts';
import { startAzure, storageOf, type EmulatedAzure } from './emulated-azure.ts';
import { killedCall } from './killed-call.ts';
import { checked, isPublished, unpublished } from './published-api.ts';

const mib = 2 ** 20;
let azurite: Azurite;
let front: BlobFront;
let cloud: EmulatedAzure;
let provider: Provider;
let home: string;
let raw: string;
let image: string;

// Azurite takes its time to start on a busy machine.
beforeAll(async () => {
  azurite = await startAzurite('vhds');
  front = await startBlobFront(azurite);
  const { account, key } = azurite;
  cloud = await startAzure({ blobs: { endpoint: front.endpoint, account, key } });
  provider = await cloud.provider({ storage: storageOf(azurite) });
  const data = [
    { at: 0, length: 5 * mib },
    { at: 90 * mib, length: 4096 },
  ];
  home = await mkdtemp(join(tmpdir(), 'imgkit-azure-export-'));
  raw = await makeRaw(join(home, 'disk.raw'), 96 * mib, data);
  const uploading = await cloud.provider({
    storage: storageOf({ ...azurite, endpoint: front.endpoint }),
  });
  const source = { kind: 'file', file: raw } as const;
  image = (await uploading.images.create({ name: 'web-1', source })).ref.id;
}, 120_000);
afterAll(async () => {
  await cloud[Symbol.asyncDispose]();
  await front[Symbol.asyncDispose]();
  await azurite[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});
beforeEach(() => {
  front.look = () => undefined;
  front.requests.splice(0);
});

/** The disks that stand, and the blobs with bytes that somebody may read. */
function disks(): string[] {
  return cloud.emulator.ids().filter((id) => id.includes('/disks/'));
}

it('an image is written without its holes, and the disk that it is read from is removed', async () => {
  const to = join(await scratch(), 'out.qcow2');
  const writing = provider.transfer?.export({ image, to, format: 'qcow2' });
  const seen: string[] = [];
  for await (const { message } of writing ?? []) seen.push(message);
  expect(await writing).toMatchObject({ path: to, format: 'qcow2' });
  await run('qemu-img', 'compare', '-f', 'raw', '-F', 'qcow2', raw, to);
  expect(seen).toEqual(expect.arrayContaining(['fetching the disk', `writing ${to}`]));
  const reads = front.requests.filter(
    ({ method, headers }) => method === 'GET' && headers['x-ms-range'],
  );
  expect(reads.length).toBeGreaterThan(1);
  expect(reads.length).toBeLessThan(8);
  expect(disks()).toEqual([]);
});

it('a connection that breaks is taken up again', async () => {
  const to = join(await scratch(), 'out.raw');
  let left = 2;
  front.look = ({ method, comp }) =>
    method === 'GET' && comp === null && left-- > 0 ? 'drop-before' : undefined;
  await provider.transfer?.export({ image, to, format: 'raw' });
  expect(left).toBeLessThan(0);
  await run('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', raw, to);
});

it.each([
  ['cannot be read', 'UNAVAILABLE'],
  ['is aborted', 'CANCELLED'],
])('an export that %s leaves no file and no disk', async (how, code) => {
  const directory = await scratch();
  const stop = new AbortController();
  front.look = ({ method, comp }) => {
    if (method !== 'GET' || comp !== null) return undefined;
    if (how === 'is aborted') stop.abort();
    return 'busy';
  };
  const request = { image, to: join(directory, 'out.raw'), format: 'raw' } as const;
  const error = await failure(
    provider.transfer?.export(request, { signal: stop.signal }) ?? Promise.resolve(),
  );
  expect(error.code).toBe(code);
  expect(await readdir(directory)).toEqual([]);
  expect(disks()).toEqual([]);
});

const isRead = ({ method, headers }: FrontRequest): boolean =>
  method === 'GET' && headers['x-ms-range'] !== undefined;

it('what exports ask Azure for is described', ({ skip }) => {
  skip(!isPublished, unpublished);
  const { found, wrong } = checked(cloud.emulator.requests);
  expect(wrong).toEqual([]);
  expect(found).toEqual(expect.arrayContaining(['Disks.GrantAccess', 'Disks.RevokeAccess']));
});

/** Exports in a process that is killed on the way: at Azure, or while it reads. */
async function killedExport(at: string, to: string): Promise<string> {
  const stateDirectory = await scratch();
  const fault = { rpc: at, kind: 'drop', when: 'after', times: Infinity } as const;
  const lost = cloud.emulator.faults.add(fault);
  front.look = (request) => (isRead(request) ? 'stall' : undefined);
  const request = { image, to, format: 'raw' } as const;
  await killedCall(
    { call: 'transfer.export', request, stateDirectory, options: cloud.options },
    () => lost.struck > 0 || front.requests.some(isRead),
  );
  lost.remove();
  front.look = () => undefined;
  return stateDirectory;
}

it.each(['Disks.CreateOrUpdate', 'reading'])(
  'what an export leaves that was killed at %s is taken over by the next one to its file',
  async (at) => {
    const directory = await scratch();
    const to = join(directory, 'out.raw');
    await killedExport(at, to);
    expect(disks()).toHaveLength(1);
    const start = cloud.emulator.requests.length;
    await provider.transfer?.export({ image, to, format: 'raw' });
    await run('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', raw, to);
    const since = cloud.emulator.requests.slice(start).map(({ rpc }) => rpc);
    expect(since).not.toContain('Disks.CreateOrUpdate');
    expect(since).toEqual(expect.arrayContaining(['Disks.RevokeAccess', 'Disks.Delete']));
    expect([disks(), await readdir(directory)]).toEqual([[], ['out.raw']]);
  },
  60_000,
);

it('what a killed export leaves is swept once it has expired, though it may be read', async () => {
  const stateDirectory = await killedExport('reading', join(await scratch(), 'out.raw'));
  const [disk = ''] = disks();
  expect(cloud.emulator.resource(disk)).toMatchObject({ properties: { diskState: 'ActiveSAS' } });
  let now = Date.now();
  const clock = { now: () => now, sleep: () => delay(1) };
  const kit = await cloud.open({ stateDirectory, clock });
  expect((await kit.runs.sweep({ dryRun: false })).removed).toEqual([]);
  now += 26 * 3_600_000;
  const { removed } = await kit.runs.sweep({ dryRun: false });
  expect(removed).toEqual([{ provider: 'azure', kind: 'disk', id: disk }]);
  expect(disks()).toEqual([]);
}, 60_000);
