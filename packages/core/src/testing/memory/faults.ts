import type { Clock } from '../../engine/clock.ts';
import { ImgkitError, type ErrorCode } from '../../spec/errors.ts';

/**
 * When a fault strikes a call:
 *
 * - `before`: the cloud refuses it, nothing has happened (the default).
 * - `accepted`: the cloud has taken the work, and goes on with it; the caller doesn't hear of it. For
 *   calls that give an operation.
 * - `during`: the cloud takes the work, and the work fails there: what it made is removed again. For
 *   calls that give an operation.
 * - `after`: all of it is done, and the answer is lost.
 */
export type FaultMoment = 'before' | 'accepted' | 'during' | 'after';

/** Which calls a fault strikes. */
export interface FaultScope {
  /** When in the call; `before` by default. */
  readonly when?: FaultMoment | undefined;
  /** How many calls; 1 by default. `Infinity` for all. */
  readonly times?: number | undefined;
}

/** How calls fail. */
export interface FailureOptions extends FaultScope {
  /** The error's code; `UNAVAILABLE` by default, `OPERATION_FAILED` for `during`. */
  readonly code?: ErrorCode | undefined;
  /** Exactly what is thrown, instead of an error made from `code`. */
  readonly error?: Error | undefined;
}

/** Calls that wait until they are let go. */
export interface Hold {
  /** Resolves when the first call has come to it. */
  readonly reached: Promise<void>;
  /** Lets the waiting call go on, and all later ones through. */
  release(): void;
}

/**
 * The faults of a memory cloud. Operations are named as in errors: `images.create`,
 * `instances.launch`; `*` stands for every one.
 *
 * @example
 * ```ts
 * import { createMemoryProvider, memoryCloud } from '@imgkit/core/testing';
 *
 * const cloud = memoryCloud();
 * const provider = createMemoryProvider({ cloud });
 * cloud.faults.fail('disks.create', { when: 'after' }); // it is made, but the answer is lost
 * const request = { name: 'data-1', sizeBytes: 1_048_576, idempotencyKey: 'k1' };
 * await provider.disks.create(request).then(undefined, console.log);
 * console.log((await provider.disks.create(request)).name); // the same disk
 * ```
 */
export interface Faults {
  /** Makes calls of an operation fail. */
  fail(operation: string, options?: FailureOptions): void;
  /** Makes calls of an operation wait on the cloud's clock, `ms` milliseconds long. */
  delay(operation: string, ms: number, scope?: FaultScope): void;
  /** Makes calls of an operation wait until the hold is released. */
  hold(operation: string, scope?: Pick<FaultScope, 'when'>): Hold;
  /** Forgets all faults, and releases all holds. */
  clear(): void;
}

interface Rule {
  readonly operation: string;
  readonly when: FaultMoment;
  left: number;
  readonly act: (signal: AbortSignal) => Promise<void>;
  readonly error?: () => Error;
  readonly delayMs?: number;
  readonly open?: () => void;
}

/** Keeps the faults, and carries them out when a call reaches their moment. */
export class FaultPlan implements Faults {
  readonly #clock: Clock;
  #rules: Rule[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  fail(operation: string, options: FailureOptions = {}): void {
    const { when = 'before', times = 1, error } = options;
    const code = options.code ?? (when === 'during' ? 'OPERATION_FAILED' : 'UNAVAILABLE');
    const make = (): Error =>
      error ?? new ImgkitError(code, `${operation} failed, as it was told to`);
    this.#rules.push({
      operation,
      when,
      left: times,
      act: () => Promise.reject(make()),
      error: make,
    });
  }

  delay(operation: string, ms: number, { when = 'before', times = 1 }: FaultScope = {}): void {
    this.#rules.push({
      operation,
      when,
      left: times,
      act: (signal) => this.#clock.sleep(ms, signal),
      delayMs: ms,
    });
  }

  hold(operation: string, { when = 'before' }: Pick<FaultScope, 'when'> = {}): Hold {
    const reached = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const rule: Rule = {
      operation,
      when,
      left: Infinity,
      act: async (signal) => {
        reached.resolve();
        await settledOrAborted(released.promise, signal);
      },
      open: () => {
        rule.left = 0;
        released.resolve();
      },
    };
    this.#rules.push(rule);
    return { reached: reached.promise, release: () => rule.open?.() };
  }

  clear(): void {
    for (const rule of this.#rules) rule.open?.();
    this.#rules = [];
  }

  /** Carries out what is planned for this moment of a call; throws what is to be thrown. */
  async reach(operation: string, when: FaultMoment, signal: AbortSignal): Promise<void> {
    for (const rule of this.#matching(operation, when)) {
      rule.left -= 1;
      await rule.act(signal);
    }
  }

  /** The faults that strike a job of this operation that begins now: what it waits for, and what it fails with. */
  ofJob(operation: string): {
    delayMs: number;
    error: (() => Error) | undefined;
    held: Promise<void> | undefined;
  } {
    let delayMs = 0;
    let error: (() => Error) | undefined;
    const holds: Promise<void>[] = [];
    for (const rule of this.#matching(operation, 'during')) {
      rule.left -= 1;
      delayMs += rule.delayMs ?? 0;
      error ??= rule.error;
      if (rule.open !== undefined) holds.push(rule.act(new AbortController().signal));
    }
    return {
      delayMs,
      error,
      held: holds.length === 0 ? undefined : Promise.all(holds).then(() => undefined),
    };
  }

  #matching(operation: string, when: FaultMoment): readonly Rule[] {
    this.#rules = this.#rules.filter((rule) => rule.left > 0);
    return this.#rules.filter(
      (rule) => rule.when === when && (rule.operation === operation || rule.operation === '*'),
    );
  }
}

/** Waits for a promise, no longer than until the signal aborts; then throws the signal's reason. */
export async function settledOrAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => {
    const reason: unknown = signal.reason;
    aborted.reject(reason instanceof Error ? reason : new Error('aborted', { cause: reason }));
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
