import { pathOf, type Route } from '../route.ts';
import { marketplace } from './marketplace.ts';

const publishers = '/subscriptions/{}/providers/Microsoft.Compute/locations/{}/publishers';
const offers = `${publishers}/{}/artifacttypes/vmimage/offers`;
const skus = `${offers}/{}/skus`;
const versions = `${skus}/{}/versions`;

const common = {
  method: 'GET',
  apiVersion: '2026-04-01',
  query: [],
  action: 'Microsoft.Compute/locations/publishers/read',
} as const;

/** What the marketplace has on offer in a region. */
export const marketplaceRoutes: readonly Route[] = [
  {
    ...common,
    rpc: 'VirtualMachineImages.Get',
    path: pathOf(`${versions}/{}`),
    handler: marketplace.get,
  },
  listOf('List', versions, ['$expand', '$top', '$orderby']),
  listOf('ListSkus', skus),
  listOf('ListOffers', offers),
  listOf('ListPublishers', publishers),
];

function listOf(name: string, path: string, query: readonly string[] = []): Route {
  const rpc = `VirtualMachineImages.${name}`;
  return { ...common, rpc, path: pathOf(path), query, handler: marketplace.list };
}
