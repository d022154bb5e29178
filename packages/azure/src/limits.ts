import type { CallOptions, DocumentedLimit, Limits, Quota } from '@imgkit/core';

import { number, object, text, type WireObject } from './api/wire.ts';
import type { AzureContext } from './context.ts';
import { knownRates } from './throttle/rate-groups.ts';
import { hourlyBudget } from './throttle/subscription-budget.ts';

const galleries = 'https://learn.microsoft.com/azure/virtual-machines/azure-compute-gallery#limits';
const tags =
  'https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations';
const direct =
  'https://learn.microsoft.com/azure/virtual-machines/share-gallery-direct#limitations';
const budgets =
  'https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling';
/** No document of Azure has them: its answers tell what is left. */
const answers = 'the header x-ms-ratelimit-remaining-resource of recorded answers';
const minute = 60_000;

/** How many calls are allowed; see {@link knownRates}. */
const calls: readonly DocumentedLimit[] = [
  ...Object.entries(hourlyBudget).map(([kind, value]) => ({
    name: `${kind} per subscription and hour`,
    value,
    perMs: 60 * minute,
    source: budgets,
  })),
  ...Object.entries(knownRates).flatMap(([group, { per3Minutes, per30Minutes }]) => [
    {
      name: `calls in 3 minutes: ${group}`,
      value: per3Minutes,
      perMs: 3 * minute,
      source: answers,
    },
    {
      name: `calls in 30 minutes: ${group}`,
      value: per30Minutes,
      perMs: 30 * minute,
      source: answers,
    },
  ]),
];

/** What Azure allows of galleries. */
export class AzureLimits implements Limits {
  readonly documented: readonly DocumentedLimit[] = [
    { name: 'galleries per subscription and region', value: 100, source: galleries },
    { name: 'image definitions per subscription and region', value: 1_000, source: galleries },
    { name: 'image versions per subscription and region', value: 10_000, source: galleries },
    { name: 'replicas per image version', value: 100, source: galleries },
    { name: 'bytes of an image', value: 2 * 2 ** 40, source: galleries },
    { name: 'tags per resource', value: 50, source: tags },
    { name: 'characters in the value of a tag', value: 256, source: tags },
    { name: 'subscriptions that a gallery is shared with', value: 30, source: direct },
    { name: 'tenants that a gallery is shared with', value: 5, source: direct },
    ...calls,
  ];
  readonly #context: AzureContext;

  constructor(context: AzureContext) {
    this.#context = context;
  }

  /** What Azure counts of Compute in the provider's region: machines, processors, disks. It tells none of galleries. */
  async quotas(options?: CallOptions): Promise<readonly Quota[]> {
    const { client, settings } = this.#context;
    const { subscription, location } = settings;
    return this.#context.call('limits.quotas', undefined, options, async () => {
      const query = { subscription, collection: 'usage', location, names: [] } as const;
      const quotas: Quota[] = [];
      for await (const page of client.lookUpPages(query, options))
        quotas.push(...page.flatMap(toQuota));
      return quotas;
    });
  }
}

function toQuota(usage: WireObject): readonly Quota[] {
  const name = text(object(usage, 'name'), 'value');
  const [limit, used] = [number(usage, 'limit'), number(usage, 'currentValue')];
  if (name === undefined || limit === undefined || used === undefined || limit < 0) return [];
  return [{ name, limit, used, unit: /cores$|Family$/i.test(name) ? 'processors' : 'resources' }];
}
