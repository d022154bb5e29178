import type { CallOptions } from '@imgkit/core';

import { markLeft } from '../machine-images/set-removal.ts';
import type { CloudContext } from '../resources/context.ts';
import { addressesOf, removeAddress } from './floating-address.ts';
import { removeKeyPairs } from './key-pair.ts';
import { readServerMetadata } from './server-metadata.ts';
import { findServer, removeServer } from './server-state.ts';

/**
 * Deletes a server and what was made for it alone, and waits until it is gone. One that is gone is deleted. The
 * server goes last: it is what a deletion that was cut off finds the rest by.
 */
export async function removeInstance(
  context: CloudContext,
  id: string,
  { signal }: CallOptions = {},
): Promise<void> {
  const server = await findServer(context, id, { signal });
  if (server === undefined) return;
  // A launch that was cut off may have left its key pair.
  const { key } = readServerMetadata(server);
  if (key !== undefined && server.key_name) await removeKeyPairs(context, key, { signal });
  for (const address of await addressesOf(context, server, { signal }))
    await removeAddress(context, address.id, { signal });
  await markLeft(context, server, { signal });
  await removeServer(context, id, { signal });
}
