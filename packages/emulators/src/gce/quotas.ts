import { quotaExceeded } from './errors.ts';
import type { Project } from './state.ts';

/** What a quota counts, and how much of it there is by default. */
export interface Metric {
  /** `IMAGES`, `CPUS`. */
  readonly name: string;
  readonly scope: 'project' | 'region';
  readonly limit: number;
  /** How much is in use. Counted anew each time, so that it is never wrong. */
  used(project: Project, region: string | undefined): number;
}

/** The limits of one project that differ from the defaults. */
export type QuotaLimits = Map<string, number>;

const metrics = new Map<string, Metric>();

/** Makes a quota known: `projects.get` and `regions.get` show it from then on. */
export function defineMetric(metric: Metric): Metric {
  metrics.set(metric.name, metric);
  return metric;
}

/** The limit of a metric in a project, and in a region. */
function quotaLimit(metric: Metric, project: Project, region?: string): number {
  const { quotas } = project;
  return (
    (region === undefined ? undefined : quotas.get(`${region}/${metric.name}`)) ??
    quotas.get(metric.name) ??
    metric.limit
  );
}

/** Refuses what would exceed a quota. */
export function reserve(metric: Metric, project: Project, amount: number, region?: string): void {
  const where = metric.scope === 'region' ? region : undefined;
  const limit = quotaLimit(metric, project, where);
  if (metric.used(project, where) + amount > limit) {
    throw quotaExceeded(
      metric.name,
      limit,
      where === undefined ? 'globally' : `in region ${where}`,
    );
  }
}

/** The quotas as `projects.get` and `regions.get` list them. */
export function showQuotas(project: Project, region?: string) {
  const scope = region === undefined ? 'project' : 'region';
  return [...metrics.values()]
    .filter((metric) => metric.scope === scope)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((metric) => ({
      metric: metric.name,
      limit: quotaLimit(metric, project, region),
      usage: metric.used(project, region),
    }));
}
