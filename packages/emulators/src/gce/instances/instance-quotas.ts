import { regionOf } from '../locations.ts';
import { defineMetric, type Metric } from '../quotas.ts';
import { instanceType } from '../resources.ts';
import type { Project } from '../state.ts';
import { isExternal, isStopped, machineTypeOf, type InstanceRecord } from './instance-record.ts';
import type { MachineType } from './machine-types.ts';

/** Series of machines that have a quota of processors of their own. */
const ownQuota = ['n2', 'n2d', 'c2', 't2d', 't2a'];

const cpuQuota = cpuMetric('CPUS');
const seriesQuotas = ownQuota.map((series) => cpuMetric(`${series.toUpperCase()}_CPUS`));

/** The quota that the processors of a machine count for: `CPUS`, `N2_CPUS`. */
export function cpuMetricOf(type: MachineType): Metric {
  return seriesQuotas.find(({ name }) => name === cpuMetricName(type)) ?? cpuQuota;
}

/** Counts instances, also stopped ones. */
export const instanceQuota = defineMetric({
  name: 'INSTANCES',
  scope: 'region',
  limit: 6000,
  used: (project, region) => instancesIn(project, region).length,
});

/** Counts addresses for the outside; stopped instances have none. */
export const addressQuota = defineMetric({
  name: 'IN_USE_ADDRESSES',
  scope: 'region',
  limit: 2300,
  used: (project, region) =>
    instancesIn(project, region).filter((each) => isExternal(each) && !isStopped(each)).length,
});

/** Machines that are stopped take no processors. */
function cpuMetric(name: string): Metric {
  return defineMetric({
    name,
    scope: 'region',
    limit: 2400,
    used: (project, region) =>
      instancesIn(project, region)
        .filter((instance) => !isStopped(instance))
        .map(machineTypeOf)
        .filter((type) => type !== undefined)
        .filter((type) => cpuMetricName(type) === name)
        .reduce((sum, { cpus }) => sum + cpus, 0),
  });
}

function cpuMetricName({ name }: MachineType): string {
  const series = name.split('-')[0] ?? '';
  return ownQuota.includes(series) ? `${series.toUpperCase()}_CPUS` : 'CPUS';
}

function instancesIn(project: Project, region: string | undefined): InstanceRecord[] {
  return instanceType.all(project).filter(({ location }) => regionOf(location) === region);
}
