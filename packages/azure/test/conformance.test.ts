import { describeProvider } from '@imgkit/core/testing';
import { afterAll, describe, expect, it } from 'vitest';

import { otherSubscription, source, startAzure } from './emulated-azure.ts';

// Two processes of one subscription, and another subscription, on one emulator: the tests don't meet each other.
const cloud = await startAzure({ pageSize: 2 });
const { emulator } = cloud;
const [provider, other, consumer] = await Promise.all([
  cloud.provider(),
  cloud.provider(),
  cloud.provider({ subscription: otherSubscription }),
]);
const listings = new Set([
  'GalleryImages.ListByGallery',
  'GalleryImageVersions.ListByGalleryImage',
]);
const pageRequests = (): number =>
  emulator.requests.filter(({ rpc = '' }) => listings.has(rpc)).length;

afterAll(() => cloud[Symbol.asyncDispose]());

await describeProvider({
  it,
  describe,
  createWorld: () => ({ provider, other, consumer, source, pageRequests }),
  machines: false,
});

it('sends nothing that Azure would not take', () => {
  expect(emulator.requests.length).toBeGreaterThan(500);
  expect(emulator.violations).toEqual([]);
});
