import { vhdFooter } from '@imgkit/core/local';
import type { Provider } from '@imgkit/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { failure } from '../../core/test/scratch.ts';
import { startAzurite, type Azurite } from './azurite.ts';
import { group, startAzure, type EmulatedAzure } from './emulated-azure.ts';

const mib = 2 ** 20;
let azurite: Azurite;
let cloud: EmulatedAzure;
let provider: Provider;

// Azurite takes its time to start on a busy machine.
beforeAll(async () => {
  azurite = await startAzurite('vhds');
  cloud = await startAzure({ blobs: azurite });
  provider = await cloud.provider();
}, 120_000);
afterAll(async () => {
  await cloud[Symbol.asyncDispose]();
  await azurite[Symbol.asyncDispose]();
});

let serial = 0;

function create(file: string, account = azurite.account) {
  serial += 1;
  const storageAccountId = `${group}/providers/Microsoft.Storage/storageAccounts/${account}`;
  const source = { kind: 'file', file } as const;
  return provider.images.create({
    name: `web-${serial}`,
    source,
    providerOptions: { storageAccountId },
  });
}

async function pageBlob(name: string, size: number, footer: Buffer): Promise<string> {
  const blob = azurite.service.getContainerClient('vhds').getPageBlobClient(name);
  await blob.create(size + 512);
  await blob.uploadPages(footer, size, 512);
  return blob.url;
}

describe('a blob by its address', () => {
  it('is made an image of, which no longer needs it', async () => {
    const address = await pageBlob('good.vhd', 2 * mib, vhdFooter(2 * mib));
    const image = await create(address);
    expect(image).toMatchObject({ status: 'READY' });
    await azurite.service.getContainerClient('vhds').deleteBlob('good.vhd');
    const disk = await provider.disks?.create({
      name: 'of-blob',
      source: { kind: 'image', image: image.ref },
    });
    expect(disk).toMatchObject({ name: 'of-blob' });
  });

  it('is refused as Azure refuses it, and nothing is left', async () => {
    const { service, endpoint } = azurite;
    const container = service.getContainerClient('vhds');
    const block = container.getBlockBlobClient('block.vhd');
    await block.upload('x'.repeat(512), 512);
    const odd = mib + 512;
    const changed = vhdFooter(mib).fill(7, 70, 71);
    const good = await pageBlob('here.vhd', mib, vhdFooter(mib));
    const leased = await pageBlob('leased.vhd', mib, vhdFooter(mib));
    await container.getBlobClient('leased.vhd').getBlobLeaseClient().acquireLease(-1);
    const refusals = [
      [create(block.url), /PageBlob/],
      [create(`${endpoint}/vhds/none.vhd`), /was not found/],
      [create(await pageBlob('raw.vhd', mib, Buffer.alloc(512, 1))), /'conectix'/],
      [create(await pageBlob('odd.vhd', odd, vhdFooter(odd))), /whole number \(in MBs\)/],
      [create(await pageBlob('size.vhd', mib, vhdFooter(2 * mib))), /tells a virtual size/],
      [create(await pageBlob('changed.vhd', mib, changed)), /checksum/],
      [create(leased), /lease/],
      [create(good, 'elsewhere'), /isn't in the storage account/],
    ] as const;
    for (const [call, message] of refusals) {
      const error = await failure(call);
      expect(error.code).toBe('INVALID_ARGUMENT');
      expect(error.message).toMatch(message);
    }
    expect(cloud.emulator.ids().filter((id) => /\/versions\/|\/images\/web-[^1]/.test(id))).toEqual(
      [expect.stringContaining('/images/web-1/versions/')],
    );
  });
});
