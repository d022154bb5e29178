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
const globalResources: ReadonlySet<string> = new Set(['images', 'snapshots', 'machineImages']);
const globalChanges = new Set(['insert', 'delete', 'deprecate', 'setLabels']);

/** The group that a method counts in. */
export function rateGroupOf(service: string, method: string): RateGroup {
  if (method === 'getSerialPortOutput') return 'serial-port';
  if (service.endsWith('Operations')) {
    // Waiting in a zone or region is heavy; for the global ones the page names no other group than that of reading them.
    return method === 'wait' && service !== 'globalOperations' ? 'heavy-reads' : 'operation-reads';
  }
  if (method === 'createSnapshot') return 'resource-writes';
  if (globalResources.has(service) && globalChanges.has(method)) return 'resource-writes';
  if (method === 'aggregatedList') return 'heavy-reads';
  if (method === 'list') return 'lists';
  if (method.startsWith('get') || method.startsWith('test')) return 'reads';
  // Changes, and the listings of groups (`listManagedInstances`, `listErrors`), which are POST requests.
  return 'queries';
}
