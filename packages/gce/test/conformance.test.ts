import { describeProvider } from '@imgkit/core/testing';
import { afterAll, describe, expect, it } from 'vitest';

import { emulatedCloud } from './emulated-cloud.ts';

// One cloud for all tests: what each makes is labelled, and removed by it.
const cloud = await emulatedCloud();
const { emulator, provider, other, consumer, baseImage } = cloud;

afterAll(async () => {
  expect(emulator.violations, 'requests that Google would not understand').toEqual([]);
  await cloud[Symbol.asyncDispose]();
});

await describeProvider({
  it,
  describe,
  createWorld: () => ({
    provider,
    consumer,
    other,
    source: { kind: 'image', image: { provider: provider.name, id: baseImage } },
    pageRequests: () => emulator.requests.filter(({ rpc }) => rpc === 'Images.List').length,
  }),
  // Machines have a suite of their own: they need a guest to boot.
  machines: false,
});
