import type { CallOptions } from '@imgkit/core';

import { isRefusal, statusOf } from '../errors.ts';
import { awaitServer, findServer } from '../instances/server-state.ts';
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
  await change(context, id, 'pause', options);
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
  await change(context, id, 'unpause', options);
  await context.nova.removeMetadata(id, pausedFor, options);
}

/** How often a call whose answer was lost is made again. */
const maxTries = 3;

/** Pauses a server, or lets it go on; one that is so already stays so. */
async function change(
  context: CloudContext,
  id: string,
  action: 'pause' | 'unpause',
  options: CallOptions,
): Promise<void> {
  const isPaused = action === 'pause';
  for (let tries = 1; ; tries += 1) {
    const server = await findServer(context, id, options);
    if (server === undefined || (server.status === 'PAUSED') === isPaused) return;
    try {
      // On its way already, after an answer that was lost.
      if (!server['OS-EXT-STS:task_state']) await context.nova.act(id, action, options);
      await awaitServer(context, id, ({ status }) => (status === 'PAUSED') === isPaused, options);
      return;
    } catch (error) {
      const isFinal = isRefusal(error) && statusOf(error) !== 409;
      if (isFinal || options.signal?.aborted === true || tries >= maxTries) throw error;
    }
  }
}
