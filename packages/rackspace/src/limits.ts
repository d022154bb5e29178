import type { CallOptions, DocumentedLimit, Limits, Quota } from '@imgkit/core';

import type { CloudContext } from './resources/context.ts';
import { maxLabels } from './resources/rules.ts';

const glance = 'https://docs.openstack.org/glance/latest/configuration/glance_api.html';

/** Nova's own words for what is allowed and what is used. */
const quotas = [
  ['instances', 'maxTotalInstances', 'totalInstancesUsed', 'instances', 1],
  ['processors', 'maxTotalCores', 'totalCoresUsed', 'processors', 1],
  ['memory', 'maxTotalRAMSize', 'totalRAMUsed', 'bytes', 2 ** 20],
] as const;

/** What OpenStack allows, and what Nova tells of the project's quotas. */
export class RackspaceLimits implements Limits {
  readonly documented: readonly DocumentedLimit[] = [
    { name: 'characters in a name', value: 255, source: glance },
    { name: 'properties per image', value: 128, source: `${glance}#DEFAULT.image_property_quota` },
    { name: 'members per image', value: 128, source: `${glance}#DEFAULT.image_member_quota` },
    { name: 'labels per resource', value: maxLabels, source: 'imgkit' },
  ];
  readonly #context: CloudContext;

  constructor(context: CloudContext) {
    this.#context = context;
  }

  async quotas(options?: CallOptions): Promise<readonly Quota[]> {
    const { nova } = this.#context;
    return this.#context.call('limits.quotas', undefined, options, async () => {
      const found = await nova.limits(options);
      return quotas.flatMap(([name, most, used, unit, factor]) => {
        const limit = found[most] ?? -1;
        // A negative limit is none.
        if (limit < 0) return [];
        return [{ name, limit: limit * factor, used: (found[used] ?? 0) * factor, unit }];
      });
    });
  }
}
