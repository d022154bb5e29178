import { armId, place, reference } from '../shapes.ts';
import { flag, integer, list, object, tags, text, word } from '../shape.ts';

// What may be sent about networks: api-version 2024-05-01 of Microsoft.Network, as far as machines need it.

const prefix = text(/^(?:\*|[A-Za-z]+|[\d.:/a-f]+)$/i, 'an address prefix or a service tag');
const port = text(/^(?:\*|\d+(?:-\d+)?)$/, 'a port, a range of ports or *');

const ruleProperties = object(
  {
    priority: integer(100, 4096),
    direction: word('Inbound', 'Outbound'),
    access: word('Allow', 'Deny'),
    protocol: word('*', 'Tcp', 'Udp', 'Icmp', 'Esp', 'Ah'),
  },
  {
    description: text(),
    sourceAddressPrefix: prefix,
    sourceAddressPrefixes: list(prefix),
    sourcePortRange: port,
    destinationAddressPrefix: prefix,
    destinationPortRange: port,
    destinationPortRanges: list(port),
  },
);
const subnetProperties = object(
  {},
  {
    addressPrefix: prefix,
    addressPrefixes: list(prefix),
    networkSecurityGroup: reference,
    defaultOutboundAccess: flag(),
  },
);

export const ruleBody = object({ properties: ruleProperties }, { name: text(), id: armId });
export const subnetBody = object({ properties: subnetProperties }, { name: text(), id: armId });

export const securityGroupBody = object(
  { location: place },
  {
    tags: tags(),
    properties: object(
      {},
      { securityRules: list(object({ name: text(), properties: ruleProperties })) },
    ),
  },
);

export const virtualNetworkBody = object(
  {
    location: place,
    properties: object(
      { addressSpace: object({ addressPrefixes: list(prefix) }) },
      { subnets: list(object({ name: text(), properties: subnetProperties })) },
    ),
  },
  { tags: tags() },
);

export const publicAddressBody = object(
  { location: place },
  {
    tags: tags(),
    sku: object({ name: word('Basic', 'Standard') }, { tier: word('Regional', 'Global') }),
    properties: object(
      {},
      {
        publicIPAllocationMethod: word('Static', 'Dynamic'),
        publicIPAddressVersion: word('IPv4', 'IPv6'),
        deleteOption: word('Delete', 'Detach'),
      },
    ),
    zones: list(text()),
  },
);

export const interfaceBody = object(
  {
    location: place,
    properties: object(
      {
        ipConfigurations: list(
          object({
            name: text(),
            properties: object(
              { subnet: reference },
              {
                publicIPAddress: reference,
                privateIPAllocationMethod: word('Static', 'Dynamic'),
                privateIPAddress: text(),
                primary: flag(),
              },
            ),
          }),
        ),
      },
      { networkSecurityGroup: reference, enableAcceleratedNetworking: flag() },
    ),
  },
  { tags: tags() },
);
