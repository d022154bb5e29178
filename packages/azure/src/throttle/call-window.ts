import type { Clock } from '@imgkit/core';

/** The part of what Azure allows that is left to others who use the same subscription: a portal, another program. */
const reservedShare = 0.1;

/** How a {@link CallWindow} begins. */
export interface CallWindowOptions {
  readonly clock: Clock;
  /** How long a call counts, in milliseconds. */
  readonly windowMs: number;
  /** How many calls may count at a time, if that is known before an answer tells. */
  readonly limit?: number | undefined;
}

/**
 * The calls of one group that Azure counts over some minutes. It follows what the answers say is left: each call takes one
 * of that away, and gives it back when it counts no more; a tenth stays for others.
 */
export class CallWindow {
  readonly #clock: Clock;
  readonly #windowMs: number;
  /** When the own calls were answered, the oldest first: from then they count for the length of the window at most. */
  readonly #answered: number[] = [];
  #limit: number | undefined;
  #left: number | undefined;
  #underWay = 0;
  #notedAt: number;
  #closedUntil = 0;

  constructor({ clock, windowMs, limit }: CallWindowOptions) {
    this.#clock = clock;
    this.#windowMs = windowMs;
    this.#limit = limit;
    this.#left = limit;
    this.#notedAt = clock.now();
  }

  /** How long a call has to wait now, in milliseconds; it may have to wait again then. */
  delay(): number {
    const now = this.#update();
    if (now < this.#closedUntil) return this.#closedUntil - now;
    if (this.#left === undefined || this.#left > this.#reserve()) return 0;
    const [oldest] = this.#answered;
    if (oldest !== undefined) return Math.max(1, oldest + this.#windowMs - now);
    if (this.#underWay > 0) return 100;
    // Others have used it up: one call from time to time tells how it is.
    return Math.max(0, this.#notedAt + this.#windowMs / 10 - now);
  }

  /** A call begins. */
  begin(): void {
    this.#underWay += 1;
    if (this.#left !== undefined) this.#left -= 1;
  }

  /**
   * A call has been answered, or got lost.
   *
   * @param left - What the answer says is left; nothing when it doesn't say.
   */
  end(left?: number): void {
    const now = this.#update();
    this.#underWay -= 1;
    this.#answered.push(now);
    if (left === undefined) return;
    this.#notedAt = now;
    // What the own calls and those to come share; others may have taken the rest.
    this.#limit = left + this.#answered.length;
    // Whether those under way are counted already isn't known.
    this.#left = left - this.#underWay;
  }

  /** Azure has refused a call: nothing passes for so many milliseconds. */
  close(ms: number): void {
    this.#closedUntil = Math.max(this.#closedUntil, this.#clock.now() + ms);
  }

  #reserve(): number {
    return Math.max(1, Math.ceil((this.#limit ?? 0) * reservedShare));
  }

  #update(): number {
    const now = this.#clock.now();
    let freed = 0;
    while ((this.#answered[freed] ?? Infinity) + this.#windowMs <= now) freed += 1;
    this.#answered.splice(0, freed);
    if (this.#left !== undefined) this.#left += freed;
    return now;
  }
}
