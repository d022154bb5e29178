import { actionRoute, compute, pathOf, routesOf, type Route } from '../route.ts';
import { actions } from './actions.ts';
import { retrieve } from './boot-diagnostics.ts';
import { reimage } from './reimage.ts';
import * as shapes from './shapes.ts';
import { skuOf, sizes } from './sizes.ts';
import { virtualMachines } from './virtual-machines.ts';

const apiVersion = '2026-04-01';
const type = 'Microsoft.Compute/virtualMachines';
const path = `${compute}/virtualMachines`;
const common = { service: 'VirtualMachines', path: `${path}/{}`, apiVersion, type };

const action = (
  rpc: string,
  handler: Route['handler'],
  more: Partial<Pick<Route, 'query' | 'body' | 'bodyIsOptional'>> = {},
): Route => {
  const name = `${rpc[0]?.toLowerCase() ?? ''}${rpc.slice(1)}`;
  return actionRoute({ ...common, ...more, rpc, name, handler, rate: 'UpdateVM' });
};

/** Virtual machines, and the sizes that they can have. */
export const machineRoutes: readonly Route[] = [
  ...routesOf({
    service: 'VirtualMachines',
    path,
    apiVersion,
    type,
    listName: 'List',
    handlers: virtualMachines,
    put: shapes.machineBody,
    patch: shapes.machineUpdate,
    getQuery: ['$expand'],
    listQuery: ['$filter', '$expand'],
    removeQuery: ['forceDeletion'],
    rates: { get: 'LowCostGet', put: 'PutVM', remove: 'DeleteVM' },
  }),
  {
    rpc: 'VirtualMachines.ListAll',
    method: 'GET',
    path: pathOf('/subscriptions/{}/providers/Microsoft.Compute/virtualMachines'),
    apiVersion,
    query: ['statusOnly', '$filter', '$expand', '$skiptoken'],
    action: `${type}/read`,
    handler: virtualMachines.listAll,
  },
  {
    rpc: 'VirtualMachines.InstanceView',
    method: 'GET',
    path: pathOf(`${path}/{}/instanceView`),
    apiVersion,
    query: [],
    rate: 'LowCostGet',
    action: `${type}/instanceView/read`,
    actionName: 'instanceView',
    handler: virtualMachines.view,
  },
  action('Start', actions.start),
  action('PowerOff', actions.powerOff, { query: ['skipShutdown'] }),
  action('Deallocate', actions.deallocate, { query: ['hibernate'] }),
  action('Restart', actions.restart),
  action('Redeploy', actions.redeploy),
  action('Generalize', actions.generalize),
  action('Reimage', reimage, { body: shapes.reimageBody, bodyIsOptional: true }),
  action('RunCommand', actions.runCommand, { body: shapes.runCommandBody }),
  action('RetrieveBootDiagnosticsData', retrieve, { query: ['sasUriExpirationTimeInMinutes'] }),
  {
    rpc: 'ResourceSkus.List',
    method: 'GET',
    path: pathOf('/subscriptions/{}/providers/Microsoft.Compute/skus'),
    apiVersion: '2021-07-01',
    query: ['$filter', 'includeExtendedLocations', '$skiptoken'],
    action: 'Microsoft.Compute/skus/read',
    handler(call) {
      const filter = call.parts.search.get('$filter') ?? '';
      const location = /location eq '([^']+)'/i.exec(filter)?.[1] ?? 'eastus';
      return call.page(sizes.map((size) => skuOf(size, location)));
    },
  },
];
