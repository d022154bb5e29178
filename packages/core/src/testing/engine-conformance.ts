import { CheckContext } from './engine-conformance-context.ts';
import type { EngineCheck, EngineFactory } from './engine-conformance-context.ts';
import { cancelChecks } from './engine-conformance-cancel.ts';
import { crashChecks } from './engine-conformance-crash.ts';
import { eventChecks } from './engine-conformance-events.ts';
import { resourceChecks } from './engine-conformance-resources.ts';
import { sharingChecks } from './engine-conformance-sharing.ts';
import { stepChecks } from './engine-conformance-steps.ts';
import { sweepChecks } from './engine-conformance-sweep.ts';

/** What {@link describeEngine} needs of the test runner and of the engine. */
export interface EngineSuite {
  /** The runner's function that registers a test. */
  readonly it: (name: string, test: () => Promise<void>) => unknown;
  /** The runner's function that groups tests, if it has one. */
  readonly describe?: ((name: string, tests: () => void) => unknown) | undefined;
  readonly createEngine: EngineFactory;
}

/** All that every engine promises, by topic. */
export const engineChecks: Readonly<Record<string, readonly EngineCheck[]>> = {
  crashes: crashChecks,
  cancelling: cancelChecks,
  resources: resourceChecks,
  steps: stepChecks,
  'several processes': sharingChecks,
  'events and signals': eventChecks,
  sweep: sweepChecks,
};

/**
 * Puts an engine to the test: registers one test for each promise that the port makes. It needs no particular test runner.
 * The tests crash the engine at every boundary of a step and inside every create, of a cloud in which a thing is there before its
 * maker hears of it; each thing must then be there exactly once, and nothing may be left.
 *
 * @example
 * ```ts
 * import { describe, it } from 'node:test';
 * import { describeEngine, type EngineFactory } from '@imgkit/core/testing';
 *
 * declare const createEngine: EngineFactory; // makes your engine, on a store that engines of one scope share
 * describeEngine({ it, describe, createEngine });
 * ```
 */
export function describeEngine({ it, describe, createEngine }: EngineSuite): void {
  for (const [topic, checks] of Object.entries(engineChecks)) {
    const register = () => {
      for (const check of checks) it(check.name, () => runEngineCheck(check, createEngine));
    };
    if (describe === undefined) register();
    else describe(topic, register);
  }
}

/** Puts one promise to the test, on a journal of its own. */
export async function runEngineCheck(
  check: EngineCheck,
  createEngine: EngineFactory,
): Promise<void> {
  const context = new CheckContext(createEngine);
  try {
    await check.run(context);
  } finally {
    await context.close();
  }
}
