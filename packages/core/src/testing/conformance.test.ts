import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { describeProvider, type ProviderSuiteOptions } from './conformance/index.ts';
import { familyMutations } from './conformance/mutations/families.ts';
import { callMutations } from './conformance/mutations/calls.ts';
import { fleetMutations } from './conformance/mutations/fleets.ts';
import { imageMutations } from './conformance/mutations/images.ts';
import { machineMutations } from './conformance/mutations/machines.ts';
import type { MemoryWorld, Mutation } from './conformance/mutations/mutation.ts';
import { resourceMutations } from './conformance/mutations/resources.ts';
import { sharingMutations } from './conformance/mutations/sharing.ts';
import { transferMutations } from './conformance/mutations/transfer.ts';
import { quickClock } from './quick-clock.ts';
import { createMemoryProvider, memoryCloud, type MemoryCloudOptions } from './memory/index.ts';

const directory = mkdtempSync(join(tmpdir(), 'imgkit-memory-'));
const file = join(directory, 'disk.raw');
writeFileSync(file, 'a disk');
afterAll(() => rmSync(directory, { recursive: true }));

function memoryWorld(options: MemoryCloudOptions = {}): MemoryWorld {
  const cloud = memoryCloud({ clock: quickClock(), workMs: 2, ...options });
  return {
    cloud,
    provider: createMemoryProvider({ cloud, name: 'maker', project: 'team-a' }),
    other: createMemoryProvider({ cloud, name: 'maker', project: 'team-a' }),
    consumer: createMemoryProvider({ cloud, name: 'taker', project: 'team-b' }),
    secondConsumer: createMemoryProvider({ cloud, name: 'second-taker', project: 'team-c' }),
    source: { kind: 'file', file },
    pageRequests: () => cloud.count('images.list'),
  };
}

await describeProvider({ it, describe, createWorld: () => memoryWorld() });

/** Runs the suite without a test runner; gives what failed, and how. */
async function failures(
  options: Pick<ProviderSuiteOptions, 'createWorld' | 'topics'>,
): Promise<ReadonlyMap<string, unknown>> {
  const tests: { readonly name: string; readonly run: () => Promise<void> }[] = [];
  await describeProvider({
    ...options,
    it: (name, run) => tests.push({ name, run }),
    timeouts: { settle: 20 },
  });
  const failed = new Map<string, unknown>();
  for (const { name, run } of tests) await run().catch((error: unknown) => failed.set(name, error));
  return failed;
}

describe('the suite passes a provider', () => {
  const clouds: Readonly<Record<string, MemoryCloudOptions>> = {
    'that works at once': { workMs: 0 },
    'that shares galleries with consumers who accept': {
      traits: { sharing: { unit: 'gallery', consumerAccepts: true, principals: ['project'] } },
    },
    'that shares families': { traits: { sharing: { unit: 'family' } } },
    'that leaves heads and OBSOLETE to imgkit': {
      traits: { publishing: { nativeHead: false }, deprecation: { enforcesObsolete: false } },
    },
    'that has neither console, digests, surge nor pause': {
      traits: {
        images: { digests: false, sources: ['file'] },
        instances: { console: false, hostKeyInjection: false },
        fleets: { canary: false, pause: false, surge: false },
      },
    },
    'that limits machine images': {
      traits: {
        machineImages: { minIntervalMs: 60_000, applicationConsistency: false, disks: 'boot' },
      },
    },
    'that gives small pages': { pageSize: 1 },
  };
  it.each(Object.entries(clouds))('%s', async (_, cloud) => {
    expect(await failures({ createWorld: () => memoryWorld(cloud) })).toEqual(new Map());
  });
});

const mutations: readonly Mutation[] = [
  ...callMutations,
  ...imageMutations,
  ...familyMutations,
  ...resourceMutations,
  ...machineMutations,
  ...fleetMutations,
  ...sharingMutations,
  ...transferMutations,
];

describe('the suite catches a provider that', () => {
  it.each(mutations)('$does', async ({ topic, caughtBy, cloud, break: mutate }) => {
    const failed = await failures({
      createWorld: () => mutate(memoryWorld(cloud)),
      topics: [topic],
    });
    expect([...failed.keys()]).toContainEqual(expect.stringMatching(`^${topic}: ${caughtBy}`));
  });
});

describe('the suite', () => {
  it('is broken in every topic', async () => {
    const topics = new Set<string>();
    const note = (name: string): void => void topics.add(name.split(':')[0] ?? name);
    await describeProvider({ it: note, createWorld: () => memoryWorld() });
    topics.delete('capabilities');
    expect(new Set(mutations.map(({ topic }) => topic))).toEqual(topics);
  });

  it('says what it doesn’t check, and why', async () => {
    const { sharing: _, fleets: __, ...provider } = memoryWorld().provider;
    const names: string[] = [];
    const report = await describeProvider({
      it: (name) => names.push(name),
      machines: false,
      createWorld: () => ({ provider, source: { kind: 'file', file } }),
    });
    expect(report.absent).toEqual(['sharing', 'fleets']);
    expect(names).toContain('capabilities: has no sharing, fleets');
    expect(names.filter((name) => name.startsWith('sharing'))).toEqual([]);
    const reasons = report.skipped.map(({ reason }) => reason);
    expect(reasons).toContain('the provider has no sharing');
    expect(reasons).toContain('no machines may be launched');
    expect(reasons).toContain('this world doesn’t count requests');
  });

  it('removes what a failing test made, also what lost its labels', async () => {
    const world = memoryWorld();
    const { images } = world.provider;
    const provider = {
      ...world.provider,
      images: {
        ...images,
        create: (...[request, options]: Parameters<typeof images.create>) =>
          images.create({ ...request, labels: {} }, options),
      },
    };
    const failed = await failures({
      createWorld: () => ({ ...world, provider }),
      topics: ['deprecation'],
    });
    expect(failed.size).toBeGreaterThan(0);
    expect(world.cloud.inventory()).toEqual([]);
  });
});
