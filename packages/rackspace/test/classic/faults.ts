/** What goes wrong with requests. */
export interface Fault {
  /** Which requests: of `METHOD /path`, without a query. */
  readonly match: RegExp;
  /**
   * `throttle`: 413 with Retry-After, nothing is done; `lost`: it is done, and the connection is cut before the
   * answer; `cut`: the connection is cut, and nothing is done; `expired`: the token is said to be over.
   */
  readonly kind: 'throttle' | 'lost' | 'cut' | 'expired';
  /** How many such requests go through before; none by default. */
  readonly skip?: number | undefined;
  /** How many requests; 1 by default. */
  readonly times?: number | undefined;
  /** Called when a request is hit. */
  readonly onHit?: (() => void) | undefined;
  /** Called when a request that is hit was done, before its connection is cut. */
  readonly onDone?: (() => void) | undefined;
}

/** The faults that a test has asked for. */
export class Faults {
  #faults: { readonly fault: Fault; skip: number; left: number }[] = [];

  add(fault: Fault): void {
    this.#faults.push({ fault, skip: fault.skip ?? 0, left: fault.times ?? 1 });
  }

  clear(): void {
    this.#faults = [];
  }

  /** The fault that hits a request. */
  hit(request: string): Fault | undefined {
    const found = this.#faults.find(({ fault, left }) => left > 0 && fault.match.test(request));
    if (found === undefined) return undefined;
    if (found.skip > 0) {
      found.skip -= 1;
      return undefined;
    }
    found.left -= 1;
    found.fault.onHit?.();
    return found.fault;
  }
}
