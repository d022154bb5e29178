import { CheckContext } from './engine-conformance-context.ts';
import type { EngineCheck, EngineFactory } from './engine-conformance-context.ts';
import { crashChecks } from './engine-conformance-crash.ts';

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
};

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
