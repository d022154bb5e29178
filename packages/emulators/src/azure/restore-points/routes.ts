import { compute, pathOf, routesOf, type Route } from '../route.ts';
import { collections } from './collections.ts';
import { points } from './points.ts';
import * as shapes from './shapes.ts';

const apiVersion = '2026-04-01';
const type = 'Microsoft.Compute/restorePointCollections';
const pointType = `${type}/restorePoints`;
const point = `${compute}/restorePointCollections/{}/restorePoints/{}`;
const one = { path: pathOf(point), apiVersion } as const;
const disks = {
  method: 'GET',
  apiVersion: '2026-03-02',
  action: `${pointType}/diskRestorePoints/read`,
} as const;

/** Restore points of machines, in their collections. */
export const restorePointRoutes: readonly Route[] = [
  ...routesOf({
    service: 'RestorePointCollections',
    path: `${compute}/restorePointCollections`,
    apiVersion,
    type,
    listName: 'List',
    listAllName: 'ListAll',
    handlers: collections,
    put: shapes.collectionBody,
    patch: shapes.collectionUpdate,
    getQuery: ['$expand'],
  }),
  {
    ...one,
    rpc: 'RestorePoints.Get',
    method: 'GET',
    query: ['$expand'],
    action: `${pointType}/read`,
    handler: points.get,
  },
  {
    ...one,
    rpc: 'RestorePoints.Create',
    method: 'PUT',
    query: [],
    body: shapes.pointBody,
    action: `${pointType}/write`,
    handler: points.put,
  },
  {
    ...one,
    rpc: 'RestorePoints.Delete',
    method: 'DELETE',
    query: [],
    action: `${pointType}/delete`,
    handler: points.remove,
  },
  {
    ...disks,
    rpc: 'DiskRestorePoint.ListByRestorePoint',
    path: pathOf(`${point}/diskRestorePoints`),
    query: ['$skiptoken'],
    handler: points.disks,
  },
  {
    ...disks,
    rpc: 'DiskRestorePoint.Get',
    path: pathOf(`${point}/diskRestorePoints/{}`),
    query: [],
    handler: points.disk,
  },
];
