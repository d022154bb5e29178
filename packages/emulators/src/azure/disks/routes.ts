import { actionRoute, compute, routesOf, type Route } from '../route.ts';
import { diskAccess } from './disk-access.ts';
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
  ...accessRoutes('Disks', 'disks'),
  ...accessRoutes('Snapshots', 'snapshots'),
];

/** The actions that give and take back access to the bytes. */
function accessRoutes(service: string, collection: string): readonly Route[] {
  const type = `Microsoft.Compute/${collection}`;
  const common = { service, path: `${compute}/${collection}/{}`, apiVersion, type };
  return [
    actionRoute({
      ...common,
      rpc: 'GrantAccess',
      name: 'beginGetAccess',
      body: shapes.accessBody,
      handler: diskAccess.beginGetAccess,
    }),
    actionRoute({
      ...common,
      rpc: 'RevokeAccess',
      name: 'endGetAccess',
      handler: diskAccess.endGetAccess,
    }),
  ];
}
