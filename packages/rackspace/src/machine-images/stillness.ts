import type { CallOptions } from '@imgkit/core';

import { findServer, awaitServer } from '../instances/server-state.ts';
import type { CloudContext } from '../resources/context.ts';

/** On a server that is paused for a machine image: which one. */
const pausedFor = 'imgkit:paused-for';

/**
 * Pauses a server, so that all its disks are of one moment. Before it, the server's own metadata say for whom: who
 * comes later knows that it is to run again.
 *
 * @param key - The digest of the machine image's idempotency key.
 */
export async function holdStill(
  context: CloudContext,
  id: string,
  key: string,
  options: CallOptions,
): Promise<void> {
  await context.nova.setMetadata(id, { [pausedFor]: key }, options);
  const server = await findServer(context, id, options);
  if (server?.status !== 'PAUSED') await context.nova.act(id, 'pause', options);
  await awaitServer(context, id, ({ status }) => status === 'PAUSED', options);
}

/** Lets a server run again that was paused for this machine image; whoever paused another one keeps it. */
export async function letGo(
  context: CloudContext,
  id: string,
  key: string,
  { signal }: CallOptions = {},
): Promise<void> {
  const options = { signal };
  const server = await findServer(context, id, options);
  if (server?.metadata?.[pausedFor] !== key) return;
  // While its disk is copied, nothing else is done to it.
  await awaitServer(context, id, () => true, options);
  if (server.status === 'PAUSED') {
    await context.nova.act(id, 'unpause', options);
    await awaitServer(context, id, ({ status }) => status !== 'PAUSED', options);
  }
  await context.nova.removeMetadata(id, pausedFor, options);
}
