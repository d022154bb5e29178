import type { CallOptions } from '@imgkit/core';

import { statusOf } from '../errors.ts';
import type { PlainAction } from '../nova/nova.ts';
import type { NovaServer } from '../nova/nova-server.ts';
import type { CloudContext } from '../resources/context.ts';
import { statusOfServer } from './instance-view.ts';
import { knownServer, serverFault, settledServer } from './server-state.ts';

/** How a server that doesn't run is made to, by its status. */
const starts: Readonly<Record<string, PlainAction>> = {
  PAUSED: 'unpause',
  SHELVED: 'unshelve',
  SHELVED_OFFLOADED: 'unshelve',
  SUSPENDED: 'resume',
};

/** How to change whether a server runs. */
export interface PowerOptions extends CallOptions {
  /** Called once the cloud has been asked. */
  readonly onBegun?: (() => void) | undefined;
}

/**
 * Starts or stops a server, and waits until it is done. One that is as it shall be is left alone, and what is
 * on its way is waited for.
 *
 * @throws `NOT_FOUND`, or the reason why the server is in ERROR.
 */
export async function changePower(
  context: CloudContext,
  id: string,
  change: 'start' | 'stop',
  { signal, onBegun }: PowerOptions,
): Promise<NovaServer> {
  const wanted = change === 'start' ? 'RUNNING' : 'STOPPED';
  for (;;) {
    const server = await settledServer(context, id, { signal });
    if (statusOfServer(server) === wanted) return server;
    const action = change === 'start' ? (starts[server.status] ?? 'os-start') : 'os-stop';
    try {
      await context.nova.act(id, action, { signal });
    } catch (error) {
      // Somebody else was faster, or something else has begun: then it's looked at again.
      if (statusOf(error) !== 409 || !(await hasMoved(context, server, { signal }))) throw error;
      continue;
    }
    onBegun?.();
  }
}

async function hasMoved(
  context: CloudContext,
  { id, status }: NovaServer,
  options: CallOptions,
): Promise<boolean> {
  const now = await knownServer(context, id, options);
  if (now.status === 'ERROR') throw serverFault(now);
  return now.status !== status || Boolean(now['OS-EXT-STS:task_state']);
}
