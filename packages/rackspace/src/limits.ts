import type { CallOptions, DocumentedLimit, Limits, Quota } from '@imgkit/core';

import type { CloudContext } from './resources/context.ts';
import { maxLabels } from './resources/rules.ts';

const glancePage = 'https://docs.openstack.org/glance/latest/configuration/glance_api.html';
const novaPage = 'https://docs.openstack.org/api-ref/compute/';
const cinderPage = 'https://docs.openstack.org/api-ref/block-storage/v3/';
/** OpenStack itself limits no rates; the classic Rackspace cloud does, in front of it. */
const ratesPage = 'https://docs.rackspace.com/docs/cloud-servers/v2/general-api-info/limits/';

const mib = 2 ** 20;
const gib = 2 ** 30;
const minuteMs = 60_000;
const dayMs = 86_400_000;

type QuotaName = readonly [
  name: string,
  limit: string,
  used: string,
  unit: string,
  /** How many of the unit one is that the cloud counts. */
  factor: number,
];

/** Nova's own words for what is allowed and what is used. */
const novaQuotas: readonly QuotaName[] = [
  ['instances', 'maxTotalInstances', 'totalInstancesUsed', 'instances', 1],
  ['processors', 'maxTotalCores', 'totalCoresUsed', 'processors', 1],
  ['memory', 'maxTotalRAMSize', 'totalRAMUsed', 'bytes', mib],
  ['server groups', 'maxServerGroups', 'totalServerGroupsUsed', 'server groups', 1],
];

/** Cinder's. */
const cinderQuotas: readonly QuotaName[] = [
  ['disks', 'maxTotalVolumes', 'totalVolumesUsed', 'disks', 1],
  ['snapshots', 'maxTotalSnapshots', 'totalSnapshotsUsed', 'snapshots', 1],
  ['disks and snapshots', 'maxTotalVolumeGigabytes', 'totalGigabytesUsed', 'bytes', gib],
];

/** Glance's, which have the name of the resource for both. */
const glanceQuotas: readonly QuotaName[] = [
  ['images', 'image_count_total', 'image_count_total', 'images', 1],
  ['stored images', 'image_size_total', 'image_size_total', 'bytes', mib],
  ['images being uploaded', 'image_count_uploading', 'image_count_uploading', 'images', 1],
  ['staged uploads', 'image_stage_total', 'image_stage_total', 'bytes', mib],
];

const documented: readonly DocumentedLimit[] = [
  { name: 'characters in a name', value: 255, source: novaPage },
  {
    name: 'properties per image',
    value: 128,
    source: `${glancePage}#DEFAULT.image_property_quota`,
  },
  { name: 'members per image', value: 128, source: `${glancePage}#DEFAULT.image_member_quota` },
  { name: 'bytes of user data, in Base64', value: 65_535, source: novaPage },
  { name: 'characters in a value of metadata', value: 255, source: novaPage },
  { name: 'bytes that disks are a multiple of', value: gib, source: cinderPage },
  { name: 'labels per resource', value: maxLabels, source: 'imgkit' },
];

const classicRates: readonly DocumentedLimit[] = [
  { name: 'reading requests', value: 1000, perMs: minuteMs, source: ratesPage },
  { name: 'creating requests', value: 100, perMs: minuteMs, source: ratesPage },
  { name: 'launches', value: 1000, perMs: dayMs, source: ratesPage },
];

/** What OpenStack allows, and what its services tell of the project's quotas. */
export class RackspaceLimits implements Limits {
  readonly documented: readonly DocumentedLimit[];
  readonly #context: CloudContext;

  /** @param isClassic - Whether it is the classic Rackspace cloud, whose rates are documented. */
  constructor(context: CloudContext, isClassic: boolean) {
    this.#context = context;
    this.documented = isClassic ? [...documented, ...classicRates] : documented;
  }

  async quotas(options?: CallOptions): Promise<readonly Quota[]> {
    const context = this.#context;
    return context.call('limits.quotas', undefined, options, async () => {
      const hasVolumes = await context.offers('block-storage', options);
      const [nova, cinder, glance] = await Promise.all([
        context.nova.limits(options),
        hasVolumes ? context.cinder.limits(options) : {},
        context.glance.usage(options),
      ]);
      const used = Object.fromEntries(
        Object.entries(glance).map(([name, one]) => [name, one.usage]),
      );
      const most = Object.fromEntries(
        Object.entries(glance).map(([name, one]) => [name, one.limit]),
      );
      return [
        ...toQuotas(novaQuotas, nova, nova),
        ...toQuotas(cinderQuotas, cinder, cinder),
        ...toQuotas(glanceQuotas, most, used),
      ];
    });
  }
}

type Numbers = Readonly<Record<string, number>>;

function toQuotas(names: readonly QuotaName[], limits: Numbers, uses: Numbers): readonly Quota[] {
  return names.flatMap(([name, most, used, unit, factor]) => {
    const limit = limits[most] ?? -1;
    // A negative limit is none.
    if (limit < 0) return [];
    return [{ name, limit: limit * factor, used: (uses[used] ?? 0) * factor, unit }];
  });
}
