import { group, routesOf, type Route } from '../route.ts';
import { networkHandlers } from './networks.ts';
import * as shapes from './shapes.ts';

const network = `${group}/providers/Microsoft.Network`;
const apiVersion = '2024-05-01';
const plain = networkHandlers();

/** Networks, as far as machines need them. */
export const networkRoutes: readonly Route[] = [
  ...routesOf({
    service: 'VirtualNetworks',
    path: `${network}/virtualNetworks`,
    apiVersion,
    type: 'Microsoft.Network/virtualNetworks',
    listName: 'List',
    handlers: networkHandlers('subnets'),
    put: shapes.virtualNetworkBody,
  }),
  ...routesOf({
    service: 'Subnets',
    path: `${network}/virtualNetworks/{}/subnets`,
    apiVersion,
    type: 'Microsoft.Network/virtualNetworks/subnets',
    listName: 'List',
    handlers: plain,
    put: shapes.subnetBody,
  }),
  ...routesOf({
    service: 'NetworkSecurityGroups',
    path: `${network}/networkSecurityGroups`,
    apiVersion,
    type: 'Microsoft.Network/networkSecurityGroups',
    listName: 'List',
    handlers: networkHandlers('securityRules'),
    put: shapes.securityGroupBody,
  }),
  ...routesOf({
    service: 'SecurityRules',
    path: `${network}/networkSecurityGroups/{}/securityRules`,
    apiVersion,
    type: 'Microsoft.Network/networkSecurityGroups/securityRules',
    listName: 'List',
    handlers: plain,
    put: shapes.ruleBody,
  }),
  ...routesOf({
    service: 'NetworkInterfaces',
    path: `${network}/networkInterfaces`,
    apiVersion,
    type: 'Microsoft.Network/networkInterfaces',
    listName: 'List',
    handlers: plain,
    put: shapes.interfaceBody,
  }),
  ...routesOf({
    service: 'PublicIPAddresses',
    path: `${network}/publicIPAddresses`,
    apiVersion,
    type: 'Microsoft.Network/publicIPAddresses',
    listName: 'List',
    handlers: plain,
    put: shapes.publicAddressBody,
  }),
];
