import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createImgkit } from '@imgkit/core';
import { describeProvider, type ProviderWorld } from '@imgkit/core/testing';
import { gce } from '@imgkit/gce';
import { afterAll, describe, expect, inject, it } from 'vitest';
import type { CloudBakeWorld } from './support/cloud-bake-world.ts';
import { openGceWorld } from './support/gce-bake-world.ts';

// What of the contract needs machines, at an emulated Compute Engine whose machines are real.

const base = inject('tinyBase');
const world =
  base.missing ??
  (await openGceWorld(inject('vmDirectory'), {
    file: base.image?.path ?? '',
    name: 'base-1',
    family: 'base',
  }));

const topics = [
  'instances',
  'fleets',
  'machine images',
  'cancellation',
  'owned resources',
  'disks',
  'snapshots',
];

async function createWorld(cloud: CloudBakeWorld): Promise<ProviderWorld> {
  const home = await mkdtemp(join(cloud.directory, 'c-'));
  const { endpoint } = cloud.emulator;
  const kits = await Promise.all(
    ['one', 'two'].map((name) =>
      createImgkit({
        stateDirectory: join(home, name),
        providers: [gce({ endpoint, project: 'imgkit-test', zone: 'us-central1-a' })],
      }),
    ),
  );
  const [provider, other] = kits.map((kit) => kit.providers.get('gce'));
  if (provider === undefined || other === undefined) throw new Error('no kit');
  return {
    provider,
    other,
    source: {
      kind: 'image',
      image: { provider: 'gce', id: 'projects/imgkit-test/global/images/base-1' },
    },
    machine: { machineType: 'n2-custom-1-512-ext' },
    async dispose() {
      for (const kit of kits) await kit[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true });
    },
  };
}

const cloud = typeof world === 'string' ? undefined : world;
afterAll(() => cloud?.[Symbol.asyncDispose]());
if (cloud !== undefined)
  await describeProvider({
    it,
    describe,
    createWorld: () => createWorld(cloud),
    topics,
    timeouts: { test: 120_000 },
  });

it.skipIf(typeof world === 'string')(
  `leaves nothing, and asks for nothing that Google hasn't ${typeof world === 'string' ? world : ''}`,
  async () => {
    expect(cloud?.emulator.violations).toEqual([]);
    expect(await cloud?.leftovers()).toEqual([]);
  },
);
