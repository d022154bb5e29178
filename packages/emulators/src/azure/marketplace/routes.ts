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
  ...(
    [
      ['List', versions],
      ['ListSkus', skus],
      ['ListOffers', offers],
      ['ListPublishers', publishers],
    ] as const
  ).map(([rpc, path]) => ({
    ...common,
    rpc: `VirtualMachineImages.${rpc}`,
    path: pathOf(path),
    query: rpc === 'List' ? ['$expand', '$top', '$orderby'] : [],
    handler: marketplace.list,
  })),
];
