import type { CallOptions } from '../spec/call-options.ts';
import { ImgkitError } from '../spec/errors.ts';

/** Waits for `done`, or until the caller no longer wants it. */
export async function untilDone(done: Promise<void>, { signal }: CallOptions): Promise<void> {
  if (signal === undefined) return done;
  const stopped = Promise.withResolvers<void>();
  const stop = () => stopped.resolve();
  signal.addEventListener('abort', stop);
  try {
    await Promise.race([done, stopped.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
  return undefined;
}

/** @throws {@link ImgkitError} `CANCELLED` when the caller no longer waits. */
export function assertWanted({ signal }: CallOptions): void {
  if (signal?.aborted !== true) return;
  throw new ImgkitError('CANCELLED', 'the call was stopped; what it waited for goes on', {
    cause: signal.reason,
  });
}

/** What every call of a closed engine gets. */
export function closed(): ImgkitError {
  return new ImgkitError('FAILED_PRECONDITION', 'the engine is closed', {
    hint: 'Open another one on the same journal, which goes on with its runs.',
  });
}
