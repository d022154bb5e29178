import { AsyncLocalStorage } from 'node:async_hooks';

import type { Clock, Logger } from '@imgkit/core';

import type { PipelinePolicy } from '../api/sdk.ts';
import { CallWindow } from './call-window.ts';
import { kindOf, knownGroupOf, knownRates, readRemaining } from './rate-groups.ts';
import { budgetKindOf, SubscriptionBudget } from './subscription-budget.ts';

const [short, long] = [3 * 60_000, 30 * 60_000];

/**
 * Keeps calls below the rates at which Azure refuses them: it reads in each answer what is left, and lets calls wait before
 * it is nothing. Calls of other programs are seen by what they take away.
 */
export class Pace {
  readonly #clock: Clock;
  readonly #logger: Logger | undefined;
  /** The signal of the call that is being made. */
  readonly #signals = new AsyncLocalStorage<AbortSignal | undefined>();
  /** What Azure counts each kind of call in, as its answers say. */
  readonly #groups = new Map<string, string>();
  readonly #windows = new Map<string, CallWindow>();
  readonly #budgets = new Map<string, SubscriptionBudget>();

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger?: Logger | undefined }) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Makes a call; when it has to wait, the signal ends that. */
  run<T>(signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
    return this.#signals.run(signal, call);
  }

  /** Stands before the network. */
  readonly policy: PipelinePolicy = {
    name: 'imgkitPace',
    sendRequest: async (request, next) => {
      const { pathname } = new URL(request.url);
      const [, , subscription = ''] = pathname.toLowerCase().split('/');
      const kind = kindOf(request.method, pathname);
      const group = this.#groups.get(kind) ?? knownGroupOf(kind);
      await this.#wait(subscription, request.method, group);
      const windows = group === undefined ? [] : this.#windowsOf(subscription, group);
      for (const { window } of windows) window.begin();
      let header: string | undefined;
      let refusedMs: number | undefined;
      try {
        const response = await next(request);
        header = response.headers.get('x-ms-ratelimit-remaining-resource');
        if (response.status === 429) refusedMs = retryAfterOf(response.headers.get('retry-after'));
        this.#noteBudget(subscription, request.method, response.headers);
        return response;
      } finally {
        const said = readRemaining(header);
        for (const { windowMs, window } of windows) {
          window.end(said.find((one) => one.group === group && one.windowMs === windowMs)?.left);
          if (refusedMs !== undefined) window.close(refusedMs);
        }
        const [first] = said;
        if (first !== undefined && first.group !== group) this.#groups.set(kind, first.group);
      }
    },
  };

  async #wait(subscription: string, method: string, group: string | undefined): Promise<void> {
    const signal = this.#signals.getStore();
    const ms = this.#budgetOf(subscription, method).take();
    if (ms > 0) await this.#pause(ms, `${budgetKindOf(method)} of the subscription`, signal);
    if (group === undefined) return;
    for (;;) {
      const delays = this.#windowsOf(subscription, group).map(({ window }) => window.delay());
      const longest = Math.max(...delays);
      if (longest <= 0) return;
      await this.#pause(longest, group, signal);
    }
  }

  async #pause(ms: number, group: string, signal: AbortSignal | undefined): Promise<void> {
    this.#logger?.debug('waiting, so that Azure refuses no call', { group, ms });
    await this.#clock.sleep(ms, signal);
  }

  #windowsOf(subscription: string, group: string) {
    const rate = knownRates[group];
    const spans = [
      [short, rate?.per3Minutes],
      [long, rate?.per30Minutes],
    ] as const;
    return spans.map(([windowMs, limit]) => {
      const key = `${subscription} ${group} ${windowMs}`;
      const window =
        this.#windows.get(key) ?? new CallWindow({ clock: this.#clock, windowMs, limit });
      this.#windows.set(key, window);
      return { windowMs, window };
    });
  }

  #budgetOf(subscription: string, method: string): SubscriptionBudget {
    const kind = budgetKindOf(method);
    const key = `${subscription} ${kind}`;
    const budget = this.#budgets.get(key) ?? new SubscriptionBudget(this.#clock, kind);
    this.#budgets.set(key, budget);
    return budget;
  }

  #noteBudget(
    subscription: string,
    method: string,
    headers: { get(name: string): string | undefined },
  ): void {
    const kind = budgetKindOf(method);
    const left = headers.get(`x-ms-ratelimit-remaining-subscription-${kind}`);
    if (left !== undefined && /^\d+$/.test(left))
      this.#budgetOf(subscription, method).note(Number(left));
  }
}

function retryAfterOf(header: string | undefined): number {
  const seconds = Number(header ?? Number.NaN);
  return Number.isFinite(seconds) ? seconds * 1000 : 60_000;
}
