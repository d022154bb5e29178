import { ImgkitError, type CallOptions, type Labels } from '@imgkit/core';

import type { NeutronFloatingIp } from '../neutron/neutron.ts';
import type { NovaServer } from '../nova/nova-server.ts';
import type { CloudContext } from '../resources/context.ts';
import { ownedName } from './ownership.ts';
import { readServerMetadata } from './server-metadata.ts';

/** Gives a running server the floating address that it was launched to have, if it was, and hasn't got it yet. */
export async function connectServer(
  context: CloudContext,
  server: NovaServer,
  options: CallOptions,
): Promise<void> {
  const { floatingNetwork, labels } = readServerMetadata(server);
  if (floatingNetwork === undefined) return;
  await context.locks.alone(`floating address ${server.id}`, async () => {
    const [port] = await context.neutron.ports(server.id, options);
    if (port === undefined)
      throw new ImgkitError('FAILED_PRECONDITION', `instance "${server.name}" is in no network`, {
        resource: server.id,
        hint: 'A floating address leads to an address of a network: name one in `networks`.',
      });
    const description = addressName(labels, server.id);
    const known = await context.neutron.floatingIps({ description }, options);
    if (known.some(({ port_id: to }) => to === port.id)) return;
    // One whose answer was lost may lead nowhere yet.
    for (const { id } of known) await removeAddress(context, id, options);
    const wanted = { floating_network_id: floatingNetwork, port_id: port.id, description };
    await context.neutron.createFloatingIp(wanted, options);
  });
}

/** The floating addresses that were made for a server. */
export async function addressesOf(
  context: CloudContext,
  server: NovaServer,
  options: CallOptions,
): Promise<readonly NeutronFloatingIp[]> {
  const { floatingNetwork, labels } = readServerMetadata(server);
  if (floatingNetwork === undefined) return [];
  return context.neutron.floatingIps({ description: addressName(labels, server.id) }, options);
}

/** Gives an address back. One that is gone is given back. */
export async function removeAddress(
  context: CloudContext,
  id: string,
  options?: CallOptions,
): Promise<void> {
  try {
    await context.neutron.deleteFloatingIp(id, options);
  } catch (error) {
    if (!ImgkitError.is(error, 'NOT_FOUND')) throw error;
  }
}

function addressName(labels: Labels, server: string): string {
  return ownedName(labels, server.replaceAll('-', '').slice(0, 16));
}
