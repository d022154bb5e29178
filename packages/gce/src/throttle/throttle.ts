import type { CallOptions, Clock } from '@imgkit/core';

import type { CountedRequest, Throttle } from '../client.ts';
import { documentedRates, rateGroupOf, type RateGroup } from './rate-groups.ts';
import { RateLimit } from './rate-limit.ts';

/** How fast requests may be made. */
export interface ThrottleOptions {
  readonly clock: Clock;
  /** Requests per minute and project, by group; Google's documented ones by default. */
  readonly rates?: Readonly<Partial<Record<RateGroup, number>>> | undefined;
}

/** The part of a quota that is used, so that others who share the project (a console, another program) can work too. */
const usedShare = 0.9;

/** Keeps the requests of one provider below the rates at which Google refuses them. */
export class RateThrottle implements Throttle {
  readonly #clock: Clock;
  readonly #rates: Readonly<Record<RateGroup, number>>;
  readonly #limits = new Map<string, RateLimit>();

  constructor({ clock, rates }: ThrottleOptions) {
    this.#clock = clock;
    this.#rates = { ...documentedRates, ...rates };
  }

  /** Resolves when the request may be made. Throws the signal's reason once it aborts. */
  async enter(request: CountedRequest, options?: CallOptions): Promise<void> {
    await this.#limitOf(request).enter(options?.signal);
  }

  /** Tells that Google refused a request because of its rate, and how long it asks to wait. */
  refused(request: CountedRequest, retryAfterMs?: number): void {
    this.#limitOf(request).refused(retryAfterMs);
  }

  #limitOf({ service, method, project, region = 'global' }: CountedRequest): RateLimit {
    const group = rateGroupOf(service, method);
    const key = `${project} ${region} ${group}`;
    const known = this.#limits.get(key);
    if (known !== undefined) return known;
    const perMinute = Math.max(2, Math.floor(this.#rates[group] * usedShare));
    const limit = new RateLimit({ clock: this.#clock, perMinute });
    this.#limits.set(key, limit);
    return limit;
  }
}
