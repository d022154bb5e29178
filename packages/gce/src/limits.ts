import type { CallOptions, DocumentedLimit, Limits, Quota } from '@imgkit/core';

import { number, objects, text, type WireObject } from './api/wire.ts';
import type { GceContext } from './context.ts';
import { documentedRates } from './throttle/rate-groups.ts';

const minuteMs = 60_000;
const ratesPage = 'https://docs.cloud.google.com/compute/docs/api-rate-limits';
const labelsPage = 'https://cloud.google.com/compute/docs/labeling-resources';
const namesPage = 'https://cloud.google.com/compute/docs/naming-resources';
const imagesPage = 'https://cloud.google.com/compute/docs/images/create-custom';
const machineImagesPage =
  'https://cloud.google.com/compute/docs/machine-images/create-machine-images';
const groupsPage = 'https://cloud.google.com/compute/docs/instance-groups/updating-migs';
const policiesPage = 'https://cloud.google.com/iam/quotas';

/** What Google says about its rates; see {@link documentedRates}. */
const rates: readonly DocumentedLimit[] = Object.entries(documentedRates).map(([group, value]) => ({
  name: `requests per project and minute: ${group}`,
  value,
  perMs: minuteMs,
  source: ratesPage,
}));

/** What Google documents, and what it says that is left of its quotas. */
export class GceLimits implements Limits {
  readonly documented: readonly DocumentedLimit[] = [
    { name: 'characters in a name', value: 63, source: namesPage },
    { name: 'labels per resource', value: 64, source: labelsPage },
    { name: 'characters in the value of a label', value: 63, source: labelsPage },
    {
      name: 'images of one source in ten minutes',
      value: 1,
      perMs: 10 * minuteMs,
      source: imagesPage,
    },
    { name: 'images of one source in an hour', value: 6, perMs: 60 * minuteMs, source: imagesPage },
    {
      name: 'machine images of one source in ten minutes',
      value: 1,
      perMs: 10 * minuteMs,
      source: machineImagesPage,
    },
    {
      name: 'machine images of one source in an hour',
      value: 6,
      perMs: 60 * minuteMs,
      source: machineImagesPage,
    },
    { name: 'versions of a managed instance group', value: 2, source: groupsPage },
    { name: 'principals in a policy', value: 1500, source: policiesPage },
    ...rates,
  ];
  readonly #context: GceContext;

  constructor(context: GceContext) {
    this.#context = context;
  }

  async quotas(options?: CallOptions): Promise<readonly Quota[]> {
    const { client, project, region } = this.#context;
    return this.#context.call('limits.quotas', project, options, async () => {
      const [whole, part] = await Promise.all([
        client.read({ service: 'projects', method: 'get', request: { project } }, options),
        // Without a region there are those of the project only.
        region(options).then(
          (name) =>
            client.read(
              { service: 'regions', method: 'get', request: { project, region: name } },
              options,
            ),
          () => undefined,
        ),
      ]);
      return [...readQuotas(whole, ''), ...readQuotas(part, ` in ${text(part, 'name') ?? ''}`)];
    });
  }
}

function readQuotas(place: WireObject | undefined, where: string): readonly Quota[] {
  return objects(place, 'quotas').flatMap((quota) => {
    const metric = text(quota, 'metric');
    const [limit, used] = [number(quota, 'limit'), number(quota, 'usage')];
    if (metric === undefined || limit === undefined || limit < 0) return [];
    return [{ name: `${metric}${where}`, limit, used: used ?? 0, unit: unitOf(metric) }];
  });
}

/** Google's metrics say what they count in their names: `IMAGES`, `DISKS_TOTAL_GB`, `N2_CPUS`. */
function unitOf(metric: string): string {
  if (metric.endsWith('_GB')) return 'GB';
  if (metric.endsWith('_MBPS')) return 'Mbit/s';
  if (/(?:^|_)CPUS(?:_|$)/.test(metric)) return 'processors';
  return metric.toLowerCase().replaceAll('_', ' ');
}
