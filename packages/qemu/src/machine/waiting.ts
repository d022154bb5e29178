import { setTimeout as sleep } from 'node:timers/promises';

import { cancelled, throwIfAborted } from '@imgkit/core';

/** How long to wait, and what ends the waiting early. */
export interface Wait {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks `probe` every `everyMs` until it gives something other than `undefined`, which is returned.
 *
 * @throws What `onTimeout` gives once `timeoutMs` have passed; `CANCELLED` when the signal is aborted.
 */
export async function pollUntil<T>(
  probe: () => Promise<T | undefined> | T | undefined,
  wait: Wait & { readonly everyMs: number; readonly doing: string; onTimeout(): Error },
): Promise<T> {
  const end = performance.now() + wait.timeoutMs;
  for (;;) {
    throwIfAborted(wait.signal, wait.doing);
    const found = await probe();
    if (found !== undefined) return found;
    const left = end - performance.now();
    if (left <= 0) throw wait.onTimeout();
    try {
      await sleep(Math.min(wait.everyMs, left), undefined, { signal: wait.signal });
    } catch (error) {
      throw wait.signal === undefined ? error : cancelled(wait.signal, wait.doing);
    }
  }
}
