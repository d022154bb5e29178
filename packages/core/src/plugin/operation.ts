import type { CallOptions } from '../spec/call-options.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { Operation, Progress } from '../spec/operation.ts';

/** What the body of an operation is given. */
export interface OperationControl {
  /** Aborts when the caller gives up. */
  readonly signal: AbortSignal;
  /** Tells how far the work has come. */
  readonly progress: (message: string, fraction?: number) => void;
  /** Tells that the cloud has accepted the work, and the token with which it can be found again. */
  readonly accepted: (token: string) => void;
}

/**
 * Starts a long call and gives its {@link Operation}: how adapters make theirs.
 *
 * The body starts at once. An aborted signal rejects with `CANCELLED` before the body is entered, and
 * a body that throws the signal's reason rejects with `CANCELLED` too. An operation that nobody awaits
 * never crashes the process.
 *
 * @example
 * ```ts
 * import { startOperation } from '@imgkit/core';
 *
 * const operation = startOperation(async ({ progress, accepted }) => {
 *   accepted('job-1');
 *   progress('half done', 0.5);
 *   return 42;
 * });
 * for await (const { fraction } of operation) console.log(fraction);
 * console.log(await operation);
 * ```
 */
export function startOperation<T>(
  body: (control: OperationControl) => Promise<T>,
  options: CallOptions = {},
): Operation<T> {
  const { signal = new AbortController().signal } = options;
  const seen: Progress[] = [];
  let ended = false;
  let wake = Promise.withResolvers<void>();
  const token = Promise.withResolvers<string>();

  const notify = (): void => {
    wake.resolve();
    wake = Promise.withResolvers<void>();
  };
  const run = async (): Promise<T> => {
    try {
      throwIfAborted(signal);
      return await body({
        signal,
        progress(message, fraction) {
          seen.push({ message, fraction });
          notify();
        },
        accepted: token.resolve,
      });
    } catch (error) {
      throw signal.aborted && !ImgkitError.is(error) ? cancelled(signal) : error;
    } finally {
      ended = true;
      notify();
    }
  };
  const result = run();
  result.then(
    () =>
      token.reject(
        new ImgkitError('FAILED_PRECONDITION', 'the operation ended without a token', {
          hint: 'It was done at once, so there is nothing to resume: await its result.',
        }),
      ),
    token.reject,
  );
  token.promise.catch(() => undefined);

  return {
    // eslint-disable-next-line unicorn/no-thenable -- an Operation is awaited like a promise
    then: (onFulfilled, onRejected) => result.then(onFulfilled, onRejected),
    token: () => token.promise,
    async *[Symbol.asyncIterator]() {
      for (let next = 0; ;) {
        const woken = wake.promise;
        while (next < seen.length) {
          const progress = seen[next++];
          if (progress !== undefined) yield progress;
        }
        if (ended) return;
        if (next === seen.length) await woken;
      }
    },
  };
}

/**
 * Throws `CANCELLED` if the signal has aborted.
 *
 * @param operation - What is cancelled by it, for the message: for example `starting a machine`.
 * @throws {@link ImgkitError} with `CANCELLED`.
 */
export function throwIfAborted(signal: AbortSignal | undefined, operation?: string): void {
  if (signal?.aborted === true) throw cancelled(signal, operation);
}

/** The `CANCELLED` of a call whose signal has aborted: the signal's reason if that is one, else one with the reason as its cause. See {@link throwIfAborted}. */
export function cancelled(signal: AbortSignal, operation?: string): ImgkitError {
  const reason: unknown = signal.reason;
  return ImgkitError.is(reason, 'CANCELLED')
    ? reason
    : new ImgkitError('CANCELLED', `${operation ?? 'the call'} was cancelled`, {
        operation,
        cause: reason,
      });
}
