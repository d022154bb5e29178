import type { CallOptions, Clock } from '@imgkit/core';

import { documentedRates, rateGroupOf, type RateGroup } from './rate-groups.ts';
import { RateLimit } from './rate-limit.ts';

/** A request that is to be made. */
export interface ThrottledRequest {
  /** Service and method: `Images.Deprecate`. */
  readonly rpc: string;
  /** The project whose quota it counts against. */
  readonly project: string;
  /** The region, of a zonal or regional method. */
  readonly region?: string | undefined;
}

/** How fast requests may be made. */
export interface ThrottleOptions {
  readonly clock: Clock;
  /** Requests per minute and project, by group; Google's documented ones by default. */
  readonly rates?: Readonly<Partial<Record<RateGroup, number>>> | undefined;
}

/** The part of a quota that is used, so that others who share the project (a console, another program) can work too. */
const usedShare = 0.9;

/** Keeps the requests of one provider below the rates at which Google refuses them. */
export class Throttle {
  readonly #clock: Clock;
  readonly #rates: Readonly<Record<RateGroup, number>>;
  readonly #limits = new Map<string, RateLimit>();

  constructor({ clock, rates }: ThrottleOptions) {
    this.#clock = clock;
    this.#rates = { ...documentedRates, ...rates };
  }

  /** Resolves when the request may be made. Throws the signal's reason once it aborts. */
  async enter(request: ThrottledRequest, options?: CallOptions): Promise<void> {
    await this.#limitOf(request).enter(options?.signal);
  }

  /** Tells that Google refused a request because of its rate, and how long it asks to wait. */
  refused(request: ThrottledRequest, retryAfterMs?: number): void {
    this.#limitOf(request).refused(retryAfterMs);
  }

  #limitOf({ rpc, project, region = 'global' }: ThrottledRequest): RateLimit {
    const group = rateGroupOf(rpc);
    const key = `${project} ${region} ${group}`;
    const known = this.#limits.get(key);
    if (known !== undefined) return known;
    const perMinute = Math.max(2, Math.floor(this.#rates[group] * usedShare));
    const limit = new RateLimit({ clock: this.#clock, perMinute });
    this.#limits.set(key, limit);
    return limit;
  }
}
