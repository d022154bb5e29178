import { startOperation } from '../../../plugin/operation.ts';
import type { CallOptions } from '../../../spec/call-options.ts';
import type { Operation } from '../../../spec/operation.ts';
import type { MemoryCloud, MemoryCloudOptions, MemoryProvider } from '../../memory/index.ts';
import type { ProviderWorld } from '../world.ts';

/** A world whose providers are all in memory. */
export interface MemoryWorld extends ProviderWorld {
  readonly provider: MemoryProvider;
  readonly consumer: MemoryProvider;
  readonly cloud: MemoryCloud;
}

/** One rule of the contract, broken once. */
export interface Mutation {
  /** What the broken provider does. */
  readonly does: string;
  /** The topic that must notice. */
  readonly topic: string;
  /** The beginning of the title of the test that must fail. */
  readonly caughtBy: string;
  /** What the cloud is like that it is broken on. */
  readonly cloud?: MemoryCloudOptions | undefined;
  /** Breaks the rule. */
  readonly break: (world: MemoryWorld) => ProviderWorld;
}

/** A mutation of the provider itself. */
export function broken(
  topic: string,
  does: string,
  caughtBy: string,
  change: (provider: MemoryProvider, world: MemoryWorld) => Partial<MemoryProvider>,
  cloud?: MemoryCloudOptions,
): Mutation {
  return {
    does,
    topic,
    caughtBy,
    cloud,
    break: (world) => {
      const { provider } = world;
      return { ...world, provider: { ...provider, ...change(provider, world) } };
    },
  };
}

/** The same operation, with another end. */
export function ending<T>(
  operation: Operation<T>,
  end: (result: Promise<T>) => Promise<T>,
): Operation<T> {
  const result = end((async () => operation)());
  result.catch(() => undefined);
  return {
    // eslint-disable-next-line unicorn/no-thenable -- an Operation is awaited like a promise
    then: (onFulfilled, onRejected) => result.then(onFulfilled, onRejected),
    token: () => operation.token(),
    [Symbol.asyncIterator]: () => operation[Symbol.asyncIterator](),
  };
}

/** An operation that does what a function does. */
export function doing<T>(body: () => Promise<T>, options?: CallOptions): Operation<T> {
  return startOperation(body, options);
}
