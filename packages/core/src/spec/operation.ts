/** How far a long operation has come. */
export interface Progress {
  /** What is going on, for a person to read. */
  readonly message: string;
  /** The part that is done, from 0 to 1, when the cloud tells one. */
  readonly fraction?: number | undefined;
}

/**
 * A long call that has been started.
 *
 * `await operation` gives its result; `for await (const progress of operation)` gives its progress
 * and ends when the operation ends (it doesn't throw: the result does); `operation.token()` gives,
 * once the cloud has accepted the work, a string with which any process can go on waiting for it:
 * `provider.resume(token)`.
 *
 * When the signal it was started with aborts, the waiting stops: with `CANCELLED` when the work was
 * stopped and undone, with `PENDING` and the token when the cloud goes on.
 *
 * @example
 * ```ts
 * import type { Image, Operation } from '@imgkit/core';
 *
 * async function show(operation: Operation<Image>) {
 *   for await (const { message, fraction } of operation) console.log(message, fraction);
 *   return (await operation).name;
 * }
 * ```
 */
export interface Operation<T> extends PromiseLike<T>, AsyncIterable<Progress> {
  /**
   * Resolves once the cloud has accepted the work.
   *
   * @throws {@link ImgkitError} as the operation does, if it ends before it was accepted.
   */
  token(): Promise<string>;
}
