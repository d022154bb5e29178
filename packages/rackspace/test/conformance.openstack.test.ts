import { createImgkit } from '@imgkit/core';
import { describeProvider, type ProviderWorld } from '@imgkit/core/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { diskFile, missing, openstack, providerOf } from './openstack.ts';

/** Two processes of one project, and two other projects, on one cloud. */
async function createWorld(): Promise<ProviderWorld> {
  const home = await mkdtemp(join(tmpdir(), 'imgkit-conformance-'));
  const file = await diskFile(join(home, 'disk.raw'));
  const kits = await Promise.all([
    createImgkit({
      stateDirectory: join(home, 'one'),
      providers: [providerOf('images'), providerOf('consumer-a'), providerOf('consumer-b')],
    }),
    createImgkit({ stateDirectory: join(home, 'two'), providers: [providerOf('images')] }),
  ]);
  const [one, two] = kits;
  return {
    provider: one.providers.get('images'),
    consumer: one.providers.get('consumer-a'),
    secondConsumer: one.providers.get('consumer-b'),
    other: two.providers.get('images'),
    source: { kind: 'file', file },
    // Servers without a guest: what is on their disk can't boot.
    machine: { machineType: 'tiny' },
    async dispose() {
      for (const kit of kits) await kit[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true });
    },
  };
}

it.skipIf(missing !== undefined)('has an OpenStack to be checked against', async () => {
  expect((await fetch(openstack().identity)).status).toBe(200);
});

// eslint-disable-next-line vitest/no-conditional-tests -- the suite asks the cloud what there is to check
if (missing === undefined)
  await describeProvider({
    // The tests don't meet each other, and wait for the cloud most of their time.
    it: it.concurrent,
    describe: describe.concurrent,
    createWorld,
    timeouts: { test: 120_000, settle: 30_000 },
  });
