import type { Clock, Engine, ResourceRemover, RetryPolicy, RunEvent } from '../engine/index.ts';
import { systemClock } from '../engine/index.ts';
import { FakeCloud } from './engine-conformance-cloud.ts';

/** What an engine is made with. */
export interface EngineSetup {
  /** Engines of the same scope share their journal; a name that fits into a path. */
  readonly scope: string;
  readonly remover: ResourceRemover;
  readonly clock: Clock;
  /** How steps are retried. */
  readonly retry: RetryPolicy;
  /** How long clean-ups wait for what was in flight, in milliseconds. */
  readonly settleMs: number;
  /** How long steps may take to heed their signal, in milliseconds. */
  readonly graceMs: number;
}

/** An engine, and what may befall the process it is in. */
export interface TestedEngine {
  readonly engine: Engine;
  /** Ends the engine's process as `kill -9` does: from this very moment it writes nothing more, and other engines know it dead. */
  kill(): void;
  /** Makes other engines believe that its process is dead, while it goes on. */
  stall(): void;
}

/** One promise of the engine, and how it is put to the test. */
export interface EngineCheck {
  readonly name: string;
  run(context: CheckContext): Promise<void>;
}

/** How engines are made. */
export type EngineFactory = (setup: EngineSetup) => TestedEngine | Promise<TestedEngine>;

/** A {@link TestedEngine} of which it is known whether it was killed. */
export interface EngineUnderTest extends TestedEngine {
  /** Resolves, to true, when it was killed. */
  readonly killed: Promise<true>;
}

let scopes = 0;

/** What a check works with: a cloud and a journal of its own. */
export class CheckContext {
  readonly cloud = new FakeCloud();
  readonly #createEngine: EngineFactory;
  readonly #engines: EngineUnderTest[] = [];
  readonly #scope: string;

  constructor(createEngine: EngineFactory) {
    this.#createEngine = createEngine;
    scopes += 1;
    this.#scope = `check-${process.pid}-${scopes}`;
  }

  /** One more engine on the check's journal, as if in a process of its own. */
  async open(setup: Partial<Omit<EngineSetup, 'scope'>> = {}): Promise<EngineUnderTest> {
    const made = await this.#createEngine({
      scope: this.#scope,
      remover: this.cloud,
      clock: systemClock(),
      retry: { initialMs: 1, maxMs: 5, maxAttempts: 3 },
      settleMs: 20,
      graceMs: 500,
      ...setup,
    });
    const died = Promise.withResolvers<true>();
    const engine: EngineUnderTest = {
      engine: made.engine,
      killed: died.promise,
      kill() {
        made.kill();
        died.resolve(true);
      },
      stall: () => made.stall(),
    };
    this.#engines.push(engine);
    return engine;
  }

  async close(): Promise<void> {
    await Promise.all(this.#engines.map(({ engine }) => engine.close()));
  }
}

/** A gate that is opened once. */
export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}

export function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

/** Never returns: what the code of a killed process does next. */
export function nevermore(): Promise<never> {
  return new Promise(() => {});
}

/** Numbers from 0 to 1 that are the same each time for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Waits until it is so, for ten seconds at most. */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  meanwhile: () => Promise<void> = async () => {},
): Promise<void> {
  const end = Date.now() + 10_000;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error('it did not come about');
    await meanwhile();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** All that an iterable gives. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Waits for the first event that fits. */
export async function eventOf(
  engine: Engine,
  id: string,
  fits: (event: RunEvent) => boolean,
): Promise<RunEvent> {
  for await (const event of engine.events(id, { follow: true })) if (fits(event)) return event;
  throw new Error(`run "${id}" ended without the event`);
}
