import { rateLimitExceeded } from './errors.ts';

/** How many requests a minute a project may make, by the group of the method. */
export interface RateLimits {
  /** Single resources read. */
  readonly reads: number;
  /** Lists read. */
  readonly lists: number;
  /** Operations read or waited for. */
  readonly operationReads: number;
  /** Everything that changes something. */
  readonly mutations: number;
}

/** Generous: no test meets them by accident. Google's own default is 1500 of each. */
export const defaultRates: RateLimits = {
  reads: 600_000,
  lists: 600_000,
  operationReads: 600_000,
  mutations: 600_000,
};

const groups: Readonly<Record<keyof RateLimits, readonly [metric: string, limit: string]>> = {
  reads: ['read_requests', 'ReadRequestsPerMinutePerProject'],
  lists: ['list_requests', 'ListRequestsPerMinutePerProject'],
  operationReads: ['operation_read_requests', 'OperationReadRequestsPerMinutePerProject'],
  mutations: ['global_resource_write_requests', 'GlobalResourceWriteRequestsPerMinutePerProject'],
};

/** Counts the requests of a project in each minute of the clock. */
export interface RateCounter {
  /** Counts a request, or refuses it. */
  count(rpc: string, httpMethod: string, now: number, limits: RateLimits): void;
}

export function createRateCounter(projectNumber: string): RateCounter {
  let minute = 0;
  const counts: Record<keyof RateLimits, number> = {
    reads: 0,
    lists: 0,
    operationReads: 0,
    mutations: 0,
  };
  return {
    count(rpc, httpMethod, now, limits) {
      const current = Math.floor(now / 60_000);
      if (current !== minute) {
        minute = current;
        Object.assign(counts, { reads: 0, lists: 0, operationReads: 0, mutations: 0 });
      }
      const group = groupOf(rpc, httpMethod);
      counts[group] += 1;
      if (counts[group] > limits[group]) {
        const [metric, limit] = groups[group];
        throw rateLimitExceeded(metric, limit, limits[group], projectNumber);
      }
    },
  };
}

function groupOf(rpc: string, httpMethod: string): keyof RateLimits {
  if (/Operations\.(Get|Wait|List)/.test(rpc)) return 'operationReads';
  if (/\.(List|AggregatedList)/.test(rpc)) return 'lists';
  return httpMethod === 'GET' ? 'reads' : 'mutations';
}
