import type { CallOptions } from '@imgkit/core';

import type { CloudContext } from '../resources/context.ts';
import { markLeft } from '../machine-images/set-removal.ts';
import { addressesOf, removeAddress } from './floating-address.ts';
import { removeKeyPairs } from './key-pair.ts';
import { readServerMetadata } from './server-metadata.ts';
import { findServer, removeServer } from './server-state.ts';

/** Deletes a server and what was made for it alone, and waits until it is gone. One that is gone is deleted. */
export async function removeInstance(
  context: CloudContext,
  id: string,
  { signal }: CallOptions = {},
): Promise<void> {
  const server = await findServer(context, id, { signal });
  if (server === undefined) return;
  await markLeft(context, server, { signal });
  const addresses = await addressesOf(context, server, { signal });
  await removeServer(context, id, { signal });
  for (const address of addresses) await removeAddress(context, address.id, { signal });
  // A launch that was cut off may have left its key pair.
  const { key } = readServerMetadata(server);
  if (key !== undefined && server.key_name) await removeKeyPairs(context, key, { signal });
}
