/** Which requests a fault strikes. What is left out doesn't matter. */
export interface FaultTarget {
  /** The method of the API: `Images.Insert`. */
  readonly rpc?: string | undefined;
  /** The HTTP method: `POST`. */
  readonly method?: string | undefined;
  /** What the request's path matches. */
  readonly path?: RegExp | undefined;
  /** How many requests it strikes; 1 by default, `Infinity` for all. */
  readonly times?: number | undefined;
  /** How many matching requests it lets pass first; 0 by default. */
  readonly after?: number | undefined;
}

/** The request is answered with an error. */
export interface StatusFault {
  readonly kind: 'status';
  /** The HTTP status: 429, 500, 503. */
  readonly status: number;
  /** The cloud's word for it: `rateLimitExceeded`, `backendError`. */
  readonly reason?: string | undefined;
  /** What the error says. */
  readonly message?: string | undefined;
  /** What the `Retry-After` header says, in seconds. */
  readonly retryAfterSeconds?: number | undefined;
  /** Whether the request has had its effect when it is answered; `before` by default. */
  readonly when?: 'before' | 'after' | undefined;
}

/** The connection breaks instead of an answer: before the request had an effect, or after it. */
export interface DropFault {
  readonly kind: 'drop';
  /** Whether the request has had its effect. */
  readonly when: 'before' | 'after';
}

/** The request waits, in real time, before it has its effect. */
export interface DelayFault {
  readonly kind: 'delay';
  /** How long, in ms. */
  readonly ms: number;
}

/** The request is taken, and the operation it starts fails. */
export interface OperationErrorFault {
  readonly kind: 'operation-error';
  /** The operation's error: `QUOTA_EXCEEDED`, `ZONE_RESOURCE_POOL_EXHAUSTED`, `INTERNAL_ERROR`. */
  readonly code: string;
  /** What it says. */
  readonly message?: string | undefined;
  /** The HTTP status that goes with it; 400 by default. */
  readonly status?: number | undefined;
}

/** The request is a listing, and its answer carries a warning. */
export interface ListWarningFault {
  readonly kind: 'list-warning';
  /** The warning: `UNREACHABLE`. */
  readonly code: string;
  /** What it says. */
  readonly message: string;
  /** More about it, by key. */
  readonly data?: Readonly<Record<string, string>> | undefined;
}

/** What goes wrong. */
export type FaultEffect =
  | StatusFault
  | DropFault
  | DelayFault
  | OperationErrorFault
  | ListWarningFault;

/** What goes wrong, and where. */
export type Fault = FaultTarget & FaultEffect;

/** The faults of an emulator. */
export interface Faults {
  /**
   * Lets something go wrong from now on.
   *
   * @returns what takes the fault back, and tells how often it struck.
   *
   * @example
   * ```ts
   * import { startGceEmulator } from '@imgkit/emulators';
   *
   * await using emulator = await startGceEmulator();
   * // The second insertion is carried out, but its answer gets lost.
   * emulator.faults.add({ rpc: 'Images.Insert', after: 1, kind: 'drop', when: 'after' });
   * ```
   */
  add(fault: Fault): AddedFault;
  /** Takes all faults back. */
  clear(): void;
}

/** A fault that was added. */
export interface AddedFault {
  /** How many requests it struck so far. */
  readonly struck: number;
  /** Takes it back. */
  remove(): void;
}

/** What a request says about itself to the faults. */
export interface FaultSubject {
  readonly rpc: string | undefined;
  readonly method: string;
  readonly path: string;
}

/** The faults, as the server asks for them. */
export interface FaultBook extends Faults {
  /** The faults that strike this request; each counts it. */
  strike(subject: FaultSubject): readonly FaultEffect[];
}

export function createFaults(): FaultBook {
  const rules = new Set<{ fault: Fault; seen: number; struck: number }>();
  return {
    add(fault) {
      const rule = { fault, seen: 0, struck: 0 };
      rules.add(rule);
      return {
        get struck() {
          return rule.struck;
        },
        remove: () => void rules.delete(rule),
      };
    },
    clear: () => rules.clear(),
    strike(subject) {
      const striking: FaultEffect[] = [];
      for (const rule of rules) {
        if (!matches(rule.fault, subject)) continue;
        rule.seen += 1;
        if (rule.seen <= (rule.fault.after ?? 0)) continue;
        rule.struck += 1;
        if (rule.struck >= (rule.fault.times ?? 1)) rules.delete(rule);
        striking.push(rule.fault);
      }
      return striking;
    },
  };
}

function matches(fault: Fault, subject: FaultSubject): boolean {
  return (
    (fault.rpc === undefined || fault.rpc === subject.rpc) &&
    (fault.method === undefined || fault.method.toUpperCase() === subject.method) &&
    (fault.path === undefined || subject.path.search(fault.path) >= 0)
  );
}

/** The one effect of a kind, if there is one. */
export function effectOf<K extends FaultEffect['kind']>(
  effects: readonly FaultEffect[],
  kind: K,
): Extract<FaultEffect, { readonly kind: K }> | undefined {
  return effects.find(
    (effect): effect is Extract<FaultEffect, { readonly kind: K }> => effect.kind === kind,
  );
}
