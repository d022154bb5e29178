import { createImgkit } from '@imgkit/core';
import { describeProvider, type ProviderWorld } from '@imgkit/core/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

import { classicCloud, classicProvider } from './classic.ts';
import { diskFile, missing } from './openstack.ts';

const users = ['images', 'consumer-a', 'consumer-b'] as const;

let world: Promise<ProviderWorld> | undefined;
let end: (() => Promise<void>) | undefined;

afterAll(() => end?.());

/** One world for all tests: signing in takes longer than most of them. */
function createWorld(): Promise<ProviderWorld> {
  world ??= makeWorld();
  return world;
}

/** Two processes of one account, and two other accounts, on the classic cloud. */
async function makeWorld(): Promise<ProviderWorld> {
  const home = await mkdtemp(join(tmpdir(), 'imgkit-conformance-'));
  const file = await diskFile(join(home, 'disk.raw'));
  const kits = await Promise.all([
    createImgkit({
      stateDirectory: join(home, 'one'),
      providers: await Promise.all(users.map((user) => classicProvider(user))),
    }),
    createImgkit({
      stateDirectory: join(home, 'two'),
      providers: [await classicProvider('images')],
    }),
  ]);
  const [one, two] = kits;
  end = async () => {
    for (const kit of kits) await kit[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  };
  return {
    provider: one.providers.get('images'),
    consumer: one.providers.get('consumer-a'),
    secondConsumer: one.providers.get('consumer-b'),
    other: two.providers.get('images'),
    source: { kind: 'file', file },
    // Servers without a guest: what is on their disk can't boot.
    machine: { machineType: 'tiny' },
  };
}

it.skipIf(missing !== undefined)('has a classic cloud to be checked against', async () => {
  const { origin } = await classicCloud();
  expect((await fetch(`${origin}/servers/`)).status).toBe(200);
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
