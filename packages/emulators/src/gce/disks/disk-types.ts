import { textOf } from '../../control-plane/json.ts';
import { defineMetric, type Metric } from '../quotas.ts';
import { diskType } from '../resources.ts';
import { regionOf } from '../locations.ts';

/** A kind of persistent disk. */
export interface DiskTypeRule {
  readonly name: string;
  readonly description: string;
  /** In GB: what a disk without a source has when its request doesn't say. */
  readonly defaultSizeGb: number;
  readonly quota: Metric;
}

const standardQuota = diskQuota('DISKS_TOTAL_GB', ['pd-standard']);
const ssdQuota = diskQuota('SSD_TOTAL_GB', ['pd-balanced', 'pd-ssd']);

/** The disk types of every zone. */
export const diskTypeRules: readonly DiskTypeRule[] = [
  {
    name: 'pd-standard',
    description: 'Standard Persistent Disk',
    defaultSizeGb: 500,
    quota: standardQuota,
  },
  {
    name: 'pd-balanced',
    description: 'Balanced Persistent Disk',
    defaultSizeGb: 100,
    quota: ssdQuota,
  },
  { name: 'pd-ssd', description: 'SSD Persistent Disk', defaultSizeGb: 100, quota: ssdQuota },
];

/** The largest disk, in GB. */
export const largestDiskGb = 65_536;

function diskQuota(name: string, types: readonly string[]): Metric {
  return defineMetric({
    name,
    scope: 'region',
    limit: 102_400,
    used: (project, region) =>
      diskType
        .all(project)
        .filter(({ location, resource }) => {
          const type = textOf(resource, 'type')?.split('/').at(-1) ?? '';
          return regionOf(location) === region && types.includes(type);
        })
        .reduce((sum, { resource }) => sum + Number(resource['sizeGb']), 0),
  });
}
