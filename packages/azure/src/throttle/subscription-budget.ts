import type { Clock } from '@imgkit/core';

/** What Azure Resource Manager counts the calls of a subscription as. */
export type BudgetKind = 'reads' | 'writes' | 'deletes';

const hour = 60 * 60_000;
/** https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling */
export const hourlyBudget: Readonly<Record<BudgetKind, number>> = {
  reads: 12_000,
  writes: 1_200,
  deletes: 15_000,
};

/** From so few on, calls are spread. */
const few = 50;

/** Which budget a call is counted in. */
export function budgetKindOf(method: string): BudgetKind {
  if (method === 'DELETE') return 'deletes';
  return method === 'GET' || method === 'HEAD' ? 'reads' : 'writes';
}

/** The calls of a subscription of one kind: when few are left, they go no faster than Azure gives new ones. */
export class SubscriptionBudget {
  readonly #clock: Clock;
  readonly #spacingMs: number;
  #left = Infinity;
  #nextAt = 0;

  constructor(clock: Clock, kind: BudgetKind) {
    this.#clock = clock;
    this.#spacingMs = hour / hourlyBudget[kind];
  }

  /** When the next call may go, in milliseconds from now; its place is taken. */
  take(): number {
    const now = this.#clock.now();
    if (this.#left >= few) return 0;
    const at = Math.max(now, this.#nextAt);
    this.#nextAt = at + this.#spacingMs;
    return at - now;
  }

  /** What an answer says is left. */
  note(left: number): void {
    this.#left = left;
  }
}
