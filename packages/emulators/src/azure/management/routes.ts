import { group, pathOf, type Route } from '../route.ts';
import { listLocations } from './locations.ts';
import { resourceGroups } from './resource-groups.ts';
import { roleAssignments } from './role-assignments.ts';
import * as shapes from './shapes.ts';

const assignments = /\/providers\/Microsoft\.Authorization\/roleAssignments/i.source;

/** What stands above all resources: regions, groups, and who may do what. */
export const managementRoutes: readonly Route[] = [
  {
    rpc: 'Subscriptions.ListLocations',
    method: 'GET',
    path: pathOf('/subscriptions/{}/locations'),
    apiVersion: '2022-12-01',
    query: [],
    action: 'Microsoft.Resources/subscriptions/locations/read',
    handler: listLocations,
  },
  ...(['get', 'put'] as const).map((name): Route => ({
    rpc: `ResourceGroups.${name === 'get' ? 'Get' : 'CreateOrUpdate'}`,
    method: name === 'get' ? 'GET' : 'PUT',
    path: pathOf(group),
    apiVersion: '2021-04-01',
    query: [],
    body: name === 'get' ? undefined : shapes.resourceGroupBody,
    action: `Microsoft.Resources/subscriptions/resourceGroups/${name === 'get' ? 'read' : 'write'}`,
    handler: resourceGroups[name],
  })),
  ...(['put', 'remove', 'list'] as const).map((name): Route => ({
    rpc: `RoleAssignments.${{ put: 'Create', remove: 'Delete', list: 'ListForScope' }[name]}`,
    method: ({ put: 'PUT', remove: 'DELETE', list: 'GET' } as const)[name],
    path: new RegExp(`^/subscriptions/.+${assignments}${name === 'list' ? '' : '/[^/]+'}$`, 'i'),
    apiVersion: '2022-04-01',
    query: name === 'list' ? ['$filter', '$skiptoken'] : [],
    body: name === 'put' ? shapes.roleAssignmentBody : undefined,
    action: `Microsoft.Authorization/roleAssignments/${{ put: 'write', remove: 'delete', list: 'read' }[name]}`,
    handler: roleAssignments[name],
  })),
];
