import { describeProvider } from '@imgkit/core/testing';
import { afterAll, describe, expect, it } from 'vitest';

import { emulatedCloud } from './emulated-cloud.ts';

// One cloud for all tests: what each makes is labelled, and removed by it.
const cloud = await emulatedCloud();
const { emulator, provider, other, consumer, base } = cloud;

afterAll(() => cloud[Symbol.asyncDispose]());

await describeProvider({
  it,
  describe,
  createWorld: () => ({
    provider,
    consumer,
    other,
    source: { kind: 'image', image: base },
    pageRequests: () => emulator.requests.filter(({ rpc }) => rpc === 'Images.List').length,
  }),
  // The first call reads Google's whole description of its API, which takes a while on a busy machine.
  timeouts: { test: 120_000 },
});

it('sends nothing that Google would not understand', () => {
  expect(emulator.violations).toEqual([]);
});
