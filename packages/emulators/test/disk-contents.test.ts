import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { vhdFooter } from '@imgkit/core/local';
import { expect, it } from 'vitest';

import { startAzurite } from '../../azure/test/azurite.ts';
import { scratch } from '../../core/test/scratch.ts';
import { BlobAccount } from '../src/azure/storage/blob-account.ts';
import { DiskContents } from '../src/azure/storage/disk-contents.ts';
import { whyNoVhd } from '../src/azure/storage/vhd.ts';

const mib = 2 ** 20;
const [version, disk] = ['/subscriptions/s/versions/1.0.0', '/subscriptions/s/disks/d'];

it('the bytes of a blob stay, are shared, grow, can be read for a while, and saved', async () => {
  await using azurite = await startAzurite('vhds');
  const blob = azurite.service.getContainerClient('vhds').getPageBlobClient('web.vhd');
  const data = randomBytes(5 * mib);
  await blob.create(8 * mib + 512);
  await blob.uploadPages(data.subarray(0, 4 * mib), mib, 4 * mib);
  await blob.uploadPages(data.subarray(4 * mib), 7 * mib, mib);
  await blob.uploadPages(vhdFooter(8 * mib), 8 * mib, 512);

  const contents = new DiskContents(new BlobAccount(azurite));
  await contents.take(version, blob.url);
  await blob.delete();
  contents.share(disk.toUpperCase(), version);
  expect(contents.sizeOf(disk)).toBe(8 * mib);

  const path = join(await scratch(), 'disk.vhd');
  expect(await contents.save(disk, path)).toBe(true);
  const saved = await readFile(path);
  expect(whyNoVhd(saved.subarray(-512), saved.length)).toBeUndefined();
  expect(saved.subarray(mib, 5 * mib).equals(data.subarray(0, 4 * mib))).toBe(true);
  expect(saved.subarray(7 * mib, 8 * mib).equals(data.subarray(4 * mib))).toBe(true);
  expect(await contents.save('/subscriptions/s/disks/none', `${path}.none`)).toBe(false);

  const address = await contents.grant(disk, 10 * mib, 60);
  const read = Buffer.from(await (await fetch(address)).arrayBuffer());
  expect(whyNoVhd(read.subarray(-512), read.length)).toBeUndefined();
  expect(read.length).toBe(10 * mib + 512);
  expect(read.subarray(0, 8 * mib).equals(saved.subarray(0, 8 * mib))).toBe(true);
  expect(read.subarray(8 * mib, 10 * mib).every((byte) => byte === 0)).toBe(true);
  expect((await fetch(address, { method: 'DELETE' })).status).toBe(403);
  await contents.revoke(disk);
  expect((await fetch(address)).status).toBe(404);
}, 60_000);
