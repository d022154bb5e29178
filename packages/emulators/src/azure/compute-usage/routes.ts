import type { JsonObject } from '../../control-plane/json.ts';
import type { Handler } from '../call.ts';
import { pathOf, type Route } from '../route.ts';

/** What is counted, and how much of it a subscription has in a region; the numbers are those of a new subscription. */
const counted = [
  ['availabilitySets', 'Availability Sets', 2500, undefined],
  ['virtualMachines', 'Virtual Machines', 25_000, 'Microsoft.Compute/virtualMachines'],
  [
    'virtualMachineScaleSets',
    'Virtual Machine Scale Sets',
    2500,
    'Microsoft.Compute/virtualMachineScaleSets',
  ],
  ['StandardSSDDiskCount', 'Standard SSD Disks', 50_000, 'Microsoft.Compute/disks'],
] as const;

const list: Handler = (call) =>
  call.page(
    counted.map(([value, localizedValue, limit, type]): JsonObject => {
      const used = type === undefined ? [] : call.world.resources.ofType(type, call.subscription);
      return {
        limit,
        unit: 'Count',
        currentValue: used.length,
        name: { value, localizedValue },
      };
    }),
  );

/** How much of what Compute limits is used. */
export const computeUsageRoutes: readonly Route[] = [
  {
    rpc: 'Usage.List',
    method: 'GET',
    path: pathOf('/subscriptions/{}/providers/Microsoft.Compute/locations/{}/usages'),
    apiVersion: '2026-04-01',
    query: ['$skiptoken'],
    action: 'Microsoft.Compute/locations/usages/read',
    handler: list,
  },
];
