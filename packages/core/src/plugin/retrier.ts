import type { Clock, RetryPolicy } from '../engine/index.ts';
import { retryDelay } from '../engine/retry.ts';
import type { CallOptions } from '../spec/call-options.ts';
import { ImgkitError } from '../spec/errors.ts';
import { throwIfAborted } from './operation.ts';

/** How one cloud call may be repeated. */
export interface RetryOptions extends CallOptions {
  /**
   * Whether making the call twice does no harm: it reads, it is idempotent, or it carries an
   * idempotency key that the cloud honours. A call that isn't safe is made once.
   */
  readonly safe: boolean;
  /** What this call needs that differs from the kit's policy. */
  readonly policy?: RetryPolicy | undefined;
}

/** Repeats cloud calls that may succeed on the next try. There is one policy in a kit; SDKs' own retries are turned off. */
export interface Retrier {
  /**
   * Makes the call, again after an error whose code is retryable, until the policy ends it. `PENDING`
   * isn't repeated: the cloud works on.
   *
   * @throws {@link ImgkitError} the call's last error, or `CANCELLED` once the signal aborts.
   */
  run<T>(call: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T>;
}

/** What a {@link Retrier} needs. */
export interface RetrierOptions {
  readonly clock: Clock;
  readonly policy?: RetryPolicy | undefined;
  /** A number from 0 to below 1; chance by default. */
  readonly random?: (() => number) | undefined;
}

/** A cloud call is worth seconds; a step, which the engine repeats, minutes. */
const cloudCalls: RetryPolicy = { maxAttempts: 5, initialMs: 500, maxMs: 20_000, factor: 2 };

/** Makes a retrier: exponential waits with jitter, never shorter than what the cloud asks for. */
export function createRetrier({ clock, policy, random }: RetrierOptions): Retrier {
  return {
    async run(call, options) {
      const { safe, signal } = options;
      const rules = { ...cloudCalls, ...policy, ...options.policy };
      for (let attempt = 1; ; attempt += 1) {
        throwIfAborted(signal);
        try {
          return await call(attempt);
        } catch (error) {
          const repeatable = safe && !ImgkitError.is(error, 'PENDING');
          const delay = repeatable ? retryDelay(rules, attempt, error, random) : undefined;
          if (delay === undefined) throw error;
          await clock.sleep(delay, signal).catch((reason: unknown) => {
            throwIfAborted(signal);
            throw reason;
          });
        }
      }
    },
  };
}
