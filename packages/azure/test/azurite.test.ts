import { expect, it } from 'vitest';

import { startAzurite } from './azurite.ts';

it('page blobs of Azurite keep what is written, and tell where', async () => {
  await using azurite = await startAzurite('vhds');
  const blob = azurite.service.getContainerClient('vhds').getPageBlobClient('disk.vhd');
  await blob.create(2 ** 20);
  await blob.uploadPages(Buffer.alloc(512, 7), 1024, 512);
  const { pageRange } = await blob.getPageRanges();
  // Microsoft's client counts to the last byte, not behind it.
  expect(pageRange).toEqual([expect.objectContaining({ offset: 1024, count: 511 })]);
});
