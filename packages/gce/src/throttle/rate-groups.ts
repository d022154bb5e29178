/**
 * What Google counts requests in: each group has a quota of its own, per project and minute, and those of regional and
 * zonal methods also per region.
 *
 * @see https://docs.cloud.google.com/compute/docs/api-rate-limits
 */
export type RateGroup =
  | 'queries'
  | 'reads'
  | 'lists'
  | 'heavy-reads'
  | 'operation-reads'
  | 'resource-writes'
  | 'serial-port';

/**
 * The requests that a project may make per minute, by group, unless Google granted it more. The page doesn't state a number
 * for every group in each of its editions; where it was silent, this is the lower one of those seen.
 */
export const documentedRates: Readonly<Record<RateGroup, number>> = {
  queries: 1500,
  reads: 1500,
  lists: 1500,
  'heavy-reads': 750,
  'operation-reads': 1500,
  'resource-writes': 1500,
  'serial-port': 1500,
};

/** The services whose changes count as changes of global resources. */
const globalResources = new Set(['images', 'snapshots', 'machineimages']);
const globalChanges = new Set(['insert', 'delete', 'deprecate', 'setlabels']);

/**
 * The group that a method counts in.
 *
 * @param rpc - Service and method, for example `Images.Deprecate`.
 */
export function rateGroupOf(rpc: string): RateGroup {
  const [service = '', method = ''] = rpc.toLowerCase().split('.');
  if (method === 'getserialportoutput') return 'serial-port';
  if (service.endsWith('operations')) {
    // Waiting in a zone or region is heavy; for the global ones the page names no other group than that of reading them.
    return method === 'wait' && service !== 'globaloperations' ? 'heavy-reads' : 'operation-reads';
  }
  if (method === 'createsnapshot') return 'resource-writes';
  if (globalResources.has(service) && globalChanges.has(method)) return 'resource-writes';
  if (method === 'aggregatedlist') return 'heavy-reads';
  // These are POST requests, and count as queries.
  if (method === 'listmanagedinstances' || method === 'listerrors') return 'queries';
  if (method === 'list') return 'lists';
  if (method.startsWith('get') || method.startsWith('test')) return 'reads';
  return 'queries';
}
