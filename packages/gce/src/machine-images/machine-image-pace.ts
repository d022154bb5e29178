import { ImgkitError, type CallOptions, type OperationControl } from '@imgkit/core';

import type { GceContext } from '../context.ts';
import { toMachineImage } from '../mapping/machine-image.ts';
import { sameId, shortId } from '../resources/resource-id.ts';

const minute = 60_000;
/**
 * Google takes a machine image of one instance every ten minutes; in a burst, six within an hour. Source: its
 * "Create machine images", restrictions.
 */
export const machineImageIntervalMs = 10 * minute;
const burst = { most: 6, withinMs: 60 * minute } as const;

/** How the rate of Google is kept. */
export interface PaceOptions {
  /** What happens before the time has come: it is refused with `RATE_LIMITED`, or waited for. */
  readonly whenTooSoon: 'refuse' | 'wait';
  /** Whether six may be made in quick succession, and then none for the rest of the hour. */
  readonly burst: boolean;
}

/** Who wants a machine image. */
export interface PacedRequest {
  /** The id of the instance. */
  readonly instance: string;
  /** The id that the machine image will have: what stands under it by then isn't another one. */
  readonly id: string;
}

/** How long to wait, in milliseconds, before one more, when some were made at these times. */
export function waitBefore(times: readonly number[], now: number, allowBurst: boolean): number {
  const latest = times.toSorted((a, b) => b - a);
  const [last] = latest;
  if (last === undefined) return 0;
  if (!allowBurst) return Math.max(0, last + machineImageIntervalMs - now);
  const nth = latest[burst.most - 1];
  return nth === undefined ? 0 : Math.max(0, nth + burst.withinMs - now);
}

/**
 * Keeps the machine images of each instance below Google's rate. What counts is what the cloud has, whoever made
 * it; what this provider made itself counts too when it has been deleted since.
 */
export class MachineImagePace {
  readonly #context: GceContext;
  /** When we made which machine image, by instance. */
  readonly #made = new Map<string, Map<string, number>>();

  constructor(context: GceContext) {
    this.#context = context;
  }

  /**
   * Makes one when it may be made. With `wait` it is tried until Google takes it, or the signal is aborted.
   *
   * @throws {@link ImgkitError} with `RATE_LIMITED` and `retryAfterMs`.
   */
  async keep<T>(
    request: PacedRequest,
    options: PaceOptions,
    control: OperationControl,
    make: () => Promise<T>,
  ): Promise<T> {
    const { instance, id } = request;
    const made = this.#madeOf(instance);
    for (;;) {
      const standing = await this.#standing(request, control);
      // Nothing is awaited from here until our turn is noted: of two at once, the second one sees the first.
      const waitMs = this.#waitMs(request, options, standing);
      if (waitMs > 0) {
        await this.#pause(waitMs, instance, options, control);
        continue;
      }
      made.set(id, this.#context.clock.now());
      try {
        return await make();
      } catch (error) {
        if (ImgkitError.is(error, 'PENDING')) throw error;
        made.delete(id);
        if (!ImgkitError.is(error, 'RATE_LIMITED')) throw error;
        // Somebody else was quicker, or Google knows of some that are gone by now.
        const now = this.#waitMs(request, options, await this.#standing(request, control));
        await this.#pause(Math.max(now, minute), instance, options, control, error);
      }
    }
  }

  #madeOf(instance: string): Map<string, number> {
    const key = shortId(instance);
    const made = this.#made.get(key) ?? new Map<string, number>();
    this.#made.set(key, made);
    return made;
  }

  #waitMs(
    { instance, id }: PacedRequest,
    { burst: allowBurst }: PaceOptions,
    standing: ReadonlyMap<string, number>,
  ): number {
    const times = new Map([...this.#madeOf(instance), ...standing]);
    times.delete(id);
    return waitBefore([...times.values()], this.#context.clock.now(), allowBurst);
  }

  async #pause(
    waitMs: number,
    instance: string,
    { whenTooSoon }: PaceOptions,
    { progress, signal }: OperationControl,
    cause?: unknown,
  ): Promise<void> {
    const { clock } = this.#context;
    const until = new Date(clock.now() + waitMs).toISOString();
    if (whenTooSoon === 'refuse') throw tooSoon(instance, waitMs, until, cause);
    progress(`waiting until ${until}: Google takes one machine image in ten minutes`);
    await clock.sleep(waitMs, signal);
  }

  /** When the machine images that the cloud has of the instance were made, within the last hour. */
  async #standing(
    { instance }: PacedRequest,
    options: CallOptions,
  ): Promise<ReadonlyMap<string, number>> {
    const { client, project, clock, logger } = this.#context;
    const since = clock.now() - burst.withinMs;
    const times = new Map<string, number>();
    const request = { project, orderBy: 'creationTimestamp desc', maxResults: 100 };
    const call = { service: 'machineImages', method: 'list', request } as const;
    try {
      for await (const { items } of client.pages(call, options))
        for (const native of items) {
          const one = toMachineImage(native);
          const time = Date.parse(one.createdAt);
          if (time < since) return times; // the newest come first
          if (one.status !== 'FAILED' && sameId(one.instance, instance)) times.set(one.id, time);
        }
    } catch (error) {
      if (!ImgkitError.is(error, 'PERMISSION_DENIED')) throw error;
      logger.debug('machine images may not be listed: only our own count, and Google decides');
    }
    return times;
  }
}

function tooSoon(
  instance: string,
  retryAfterMs: number,
  until: string,
  cause: unknown,
): ImgkitError {
  return new ImgkitError(
    'RATE_LIMITED',
    `the next machine image of ${instance} can be made at ${until}`,
    {
      resource: instance,
      retryAfterMs,
      hint: 'Google takes one in ten minutes. With providerOptions { whenTooSoon: "wait" } it is waited for; with { burst: true } six may be made at once.',
      cause,
    },
  );
}
