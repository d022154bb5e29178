import { compute, routesOf, type Route } from '../route.ts';
import { disks } from './disks.ts';
import * as shapes from './shapes.ts';

const apiVersion = '2026-03-02';

/** Disks and snapshots. */
export const diskRoutes: readonly Route[] = [
  ...routesOf({
    service: 'Disks',
    path: `${compute}/disks`,
    apiVersion,
    type: 'Microsoft.Compute/disks',
    listName: 'ListByResourceGroup',
    listAllName: 'List',
    handlers: { ...disks, list: disks.listInGroup },
    put: shapes.diskBody,
  }),
  ...routesOf({
    service: 'Snapshots',
    path: `${compute}/snapshots`,
    apiVersion,
    type: 'Microsoft.Compute/snapshots',
    listName: 'ListByResourceGroup',
    listAllName: 'List',
    handlers: { ...disks, list: disks.listInGroup },
    put: shapes.snapshotBody,
  }),
];
