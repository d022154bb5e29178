import assert from 'node:assert/strict';
import { capabilityNames, type CapabilityName } from '../../spec/provider.ts';
import type { ConformanceCase, ConformanceTopic } from './topic.ts';
import { cancellation } from './topics/cancellation.ts';
import { deprecation } from './topics/deprecation.ts';
import { disks } from './topics/disks.ts';
import { fleets } from './topics/fleets.ts';
import { idempotency } from './topics/idempotency.ts';
import { identity } from './topics/identity.ts';
import { images } from './topics/images.ts';
import { instances } from './topics/instances.ts';
import { limits } from './topics/limits.ts';
import { listing } from './topics/listing.ts';
import { machineImages } from './topics/machine-images.ts';
import { operations } from './topics/operations.ts';
import { owned } from './topics/owned.ts';
import { sharing } from './topics/sharing.ts';
import { snapshots } from './topics/snapshots.ts';
import { staging } from './topics/staging.ts';
import { transfer } from './topics/transfer.ts';
import { usage } from './topics/usage.ts';
import { warmStarts } from './topics/warm-starts.ts';
import { Trial } from './trial.ts';
import type { ProviderWorld, SuiteTimeouts } from './world.ts';

const topics = [
  identity,
  images,
  listing,
  idempotency,
  cancellation,
  operations,
  staging,
  deprecation,
  sharing,
  disks,
  snapshots,
  transfer,
  usage,
  limits,
  owned,
  instances,
  machineImages,
  warmStarts,
  fleets,
] as const satisfies readonly ConformanceTopic[];

/** Registers one test with a test runner: vitest, Jest, Mocha and node:test have such a function. */
export type RegisterTest = (name: string, run: () => Promise<void>, timeoutMs: number) => unknown;

/** What {@link describeProvider} needs. */
export interface ProviderSuiteOptions {
  /** The runner's function that registers a test. */
  readonly it: RegisterTest;
  /** Makes the provider, for each test anew: a cheap one, or always the same; the tests don't meet each other. */
  readonly createWorld: () => Promise<ProviderWorld> | ProviderWorld;
  /** The runner's function that groups tests; without it, the group is in their names. */
  readonly describe?: ((name: string, body: () => void) => unknown) | undefined;
  /** Is told what isn't checked, and why. */
  readonly skip?: ((name: string, reason: string) => void) | undefined;
  /** The topics to check; all by default. The names are those before the colon in the tests' names. */
  readonly topics?: readonly string[] | undefined;
  /** Whether machines may be launched; they may by default. */
  readonly machines?: boolean | undefined;
  /** How long things may take. */
  readonly timeouts?: Partial<SuiteTimeouts> | undefined;
}

/** What of the contract was registered to be checked, and what wasn't. */
export interface ProviderSuiteReport {
  /** The capabilities that the provider doesn't have. */
  readonly absent: readonly CapabilityName[];
  /** What isn't checked, and why. */
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

/**
 * Registers the conformance suite: the tests that every provider passes. A test is registered if and
 * only if the provider has what it is about; what isn't checked, and why, is in the report.
 *
 * Every test removes what it made, also when it fails.
 *
 * @throws {@link ImgkitError} or what else `createWorld` throws: it is asked once before the tests, to
 *   see what the provider has.
 *
 * @example
 * ```ts
 * import { createMemoryProvider, describeProvider, memoryCloud } from '@imgkit/core/testing';
 * import { it } from 'node:test';
 *
 * await describeProvider({
 *   it: (name, run, timeout) => it(name, { timeout }, run),
 *   createWorld: () => {
 *     const cloud = memoryCloud();
 *     return {
 *       provider: createMemoryProvider({ cloud, project: 'team-a' }),
 *       consumer: createMemoryProvider({ cloud, project: 'team-b' }),
 *       source: { kind: 'file', file: './disk.raw' },
 *     };
 *   },
 * });
 * ```
 */
export async function describeProvider(
  options: ProviderSuiteOptions,
): Promise<ProviderSuiteReport> {
  const timeouts: SuiteTimeouts = {
    test: 20_000,
    machine: 300_000,
    settle: 2_000,
    ...options.timeouts,
  };
  const world = await options.createWorld();
  const absent = capabilityNames.filter((name) => world.provider[name] === undefined);
  const skipped: { readonly name: string; readonly reason: string }[] = [];
  const chosen = topics.filter(({ name }) => options.topics?.includes(name) ?? true);
  const plan = chosen.map((topic) => ({
    topic,
    cases: topic.cases.filter((each: ConformanceCase) => {
      const reason = reasonToSkip(each, world, options.machines ?? true);
      if (reason === undefined) return true;
      const name = `${topic.name}: ${each.title}`;
      skipped.push({ name, reason });
      options.skip?.(name, reason);
      return false;
    }),
  }));
  await world.dispose?.();

  const { it, describe } = options;
  const register = (topic: string, each: ConformanceCase): void => {
    const name = describe === undefined ? `${topic}: ${each.title}` : each.title;
    const limit = each.machines === true ? timeouts.machine : timeouts.test;
    it(name, () => runCase(each, options, timeouts), limit);
  };
  for (const { topic, cases } of plan) {
    if (cases.length === 0) continue;
    if (describe === undefined) for (const each of cases) register(topic.name, each);
    else describe(topic.name, () => cases.forEach((each) => register(topic.name, each)));
  }
  it(
    `capabilities: ${absent.length === 0 ? 'has all' : `has no ${absent.join(', ')}`}`,
    async () => {
      const again = await options.createWorld();
      try {
        const missing = capabilityNames.filter((name) => again.provider[name] === undefined);
        assert.deepEqual(missing, absent, 'the provider must be the same each time');
      } finally {
        await again.dispose?.();
      }
    },
    timeouts.test,
  );
  return { absent, skipped };
}

function reasonToSkip(
  { needs = [], unless, machines }: ConformanceCase,
  world: ProviderWorld,
  mayLaunch: boolean,
): string | undefined {
  const missing = needs.filter((name) => world.provider[name] === undefined);
  if (missing.length > 0) return `the provider has no ${missing.join(', ')}`;
  if (machines === true && !mayLaunch) return 'no machines may be launched';
  return unless?.(world);
}

/** Runs one test in a world of its own, and removes what it made. */
async function runCase(
  each: ConformanceCase,
  { createWorld }: ProviderSuiteOptions,
  timeouts: SuiteTimeouts,
): Promise<void> {
  const world = await createWorld();
  const trial = new Trial(world, timeouts);
  const errors: unknown[] = [];
  const attempt = async (part: () => Promise<void> | undefined): Promise<void> => {
    try {
      await part();
    } catch (error) {
      errors.push(error);
    }
  };
  await attempt(() => each.run(trial));
  await attempt(() => trial.cleanUp());
  await attempt(() => world.dispose?.());
  if (errors.length > 1) throw new AggregateError(errors, errors.map(String).join('; then '));
  for (const error of errors) throw error;
}
