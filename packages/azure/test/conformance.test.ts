import { describeProvider } from '@imgkit/core/testing';
import { afterAll, describe, expect, it } from 'vitest';

import { startAzurite } from './azurite.ts';
import { otherSubscription, source, startAzure, storageOf } from './emulated-azure.ts';

// Two processes of one subscription, and another subscription, on one emulator: the tests don't meet each other.
const azurite = await startAzurite('vhds');
// Ids and regions mean the same whatever their case or form.
const cloud = await startAzure({ pageSize: 2, blobs: azurite, spelling: 'other' });
const { emulator } = cloud;
const storage = storageOf(azurite);
const [provider, other, consumer] = await Promise.all([
  cloud.provider({ storage }),
  cloud.provider({ storage }),
  cloud.provider({ subscription: otherSubscription }),
]);
const listings = new Set([
  'GalleryImages.ListByGallery',
  'GalleryImageVersions.ListByGalleryImage',
]);
const pageRequests = (): number =>
  emulator.requests.filter(({ rpc = '' }) => listings.has(rpc)).length;

afterAll(async () => {
  await cloud[Symbol.asyncDispose]();
  await azurite[Symbol.asyncDispose]();
});

await describeProvider({
  it,
  describe,
  createWorld: () => ({ provider, other, consumer, source, pageRequests }),
  // A disk goes through every format, which takes a while on a busy machine.
  timeouts: { test: 120_000 },
});

it('sends nothing that Azure would not take', () => {
  expect(emulator.requests.length).toBeGreaterThan(500);
  expect(emulator.violations).toEqual([]);
});
