import { ImgkitError } from '../spec/errors.ts';
import type { Clock } from './clock.ts';
import type { RetryPolicy } from './workflow.ts';

/** What a {@link RetryPolicy} is where it says nothing. */
const defaultRetry: Required<Record<keyof RetryPolicy, number>> = {
  maxAttempts: 5,
  initialMs: 1000,
  maxMs: 60_000,
  factor: 2,
};

/**
 * How long to wait after the `failures`-th failure, in milliseconds; `undefined` to give up. A random
 * part keeps those that failed together from coming back together.
 */
export function retryDelay(
  policy: RetryPolicy,
  failures: number,
  error: unknown,
  random: () => number = Math.random,
): number | undefined {
  const { maxAttempts = defaultRetry.maxAttempts, initialMs = defaultRetry.initialMs } = policy;
  const { maxMs = defaultRetry.maxMs, factor = defaultRetry.factor } = policy;
  if (!ImgkitError.is(error) || !error.retryable || failures >= maxAttempts) return undefined;
  const backoff = Math.min(initialMs * factor ** (failures - 1), maxMs) * (0.5 + random() / 2);
  return Math.max(backoff, error.retryAfterMs ?? 0);
}

/** Calls `work` until it succeeds or the policy gives up. */
export async function retrying<T>(
  work: () => Promise<T>,
  policy: RetryPolicy,
  clock: Clock,
  signal: AbortSignal,
): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await work();
    } catch (error) {
      const delay = signal.aborted ? undefined : retryDelay(policy, failures, error);
      if (delay === undefined) throw error;
      await clock.sleep(delay, signal);
    }
  }
}
