import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { startAzurite, type Azurite } from './azurite.ts';
import { startAzure, storageOf, type EmulatedAzure } from './emulated-azure.ts';
import { makeRaw, scratch } from '../../core/test/scratch.ts';

const mib = 2 ** 20;
let azurite: Azurite;
let cloud: EmulatedAzure;

beforeAll(async () => {
  azurite = await startAzurite('vhds');
  cloud = await startAzure({ blobs: azurite });
});
afterAll(async () => {
  await cloud[Symbol.asyncDispose]();
  await azurite[Symbol.asyncDispose]();
});

it('makes an image of a raw disk', async () => {
  const file = await makeRaw(join(await scratch(), 'disk.raw'), 5 * mib + 512, [
    { at: 0, length: 4096 },
    { at: 3 * mib - 100, length: 70_000 },
  ]);
  const provider = await cloud.provider({ storage: { ...storageOf(azurite), keepUploads: true } });
  const image = await provider.images.create({
    name: 'raw-1',
    family: 'raw',
    version: '1',
    source: { kind: 'file', file },
  });
  expect(image).toMatchObject({ status: 'READY', diskSizeBytes: 6 * mib });
  const names = [];
  for await (const { name } of azurite.service.getContainerClient('vhds').listBlobsFlat())
    names.push(name);
  const blob = azurite.service.getContainerClient('vhds').getPageBlobClient(names[0] ?? '');
  const bytes = await blob.downloadToBuffer();
  const raw = await readFile(file);
  expect(bytes.length).toBe(6 * mib + 512);
  expect(bytes.subarray(0, raw.length).equals(raw)).toBe(true);
  const { pageRange } = await blob.getPageRanges();
  expect(pageRange).toMatchObject([
    { offset: 0, count: 65_535 },
    { offset: 3_080_192, count: 196_607 },
    { offset: 6 * mib, count: 511 },
  ]);
});
