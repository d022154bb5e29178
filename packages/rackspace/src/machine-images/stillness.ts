import { ImgkitError, type CallOptions, type Labels } from '@imgkit/core';
import { parseProcess, systemProcesses } from '@imgkit/core/local';

import { isRefusal, statusOf } from '../errors.ts';
import { labelsOfName, ownedName } from '../instances/ownership.ts';
import { awaitServer, findServer } from '../instances/server-state.ts';
import type { NovaServer } from '../nova/nova-server.ts';
import type { CloudContext } from '../resources/context.ts';
import { thisProcess } from '../resources/image-maker.ts';

// A server is paused so that all its disks are of one moment. Before it, its own metadata say for whom, so that
// whoever comes later knows that it is to run again: the machine image's record is only made when it stands still.

/** On a server that is paused for a machine image: the digest of that one's key, and the process that makes it. */
const pausedFor = 'imgkit:paused-for';
/** The labels of that machine image, as a name holds them. */
const pausedLabels = 'imgkit:paused-labels';

/** The machine image that a server is paused for. */
export interface Pause {
  /** The digest of the machine image's idempotency key. */
  readonly key: string;
  readonly labels: Labels;
  /** Whether the process that makes it lives; `undefined` when that can't be told from here. */
  readonly isMade: boolean | undefined;
}

/** What a server is paused for; nothing for one that isn't, or that somebody else paused. */
export function pauseOf({ metadata = {} }: NovaServer): Pause | undefined {
  const [key, maker = ''] = metadata[pausedFor]?.split(' ') ?? [];
  if (key === undefined) return undefined;
  const process = parseProcess(maker);
  return {
    key,
    labels: labelsOfName(metadata[pausedLabels] ?? '') ?? {},
    isMade: process && systemProcesses.isAlive(process),
  };
}

/** Pauses a server for a machine image. */
export async function holdStill(
  context: CloudContext,
  id: string,
  { key, labels }: Pick<Pause, 'key' | 'labels'>,
  options: CallOptions,
): Promise<void> {
  const notes = {
    [pausedFor]: `${key} ${thisProcess()}`,
    [pausedLabels]: ownedName(labels, key.slice(0, 16)),
  };
  await context.nova.setMetadata(id, notes, options);
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
  if (server === undefined || pauseOf(server)?.key !== key) return;
  // While its disk is copied, nothing else is done to it.
  await awaitServer(context, id, () => true, options);
  await change(context, id, 'unpause', options);
  for (const entry of [pausedLabels, pausedFor])
    await context.nova.removeMetadata(id, entry, options).catch((error: unknown) => {
      if (!ImgkitError.is(error, 'NOT_FOUND')) throw error;
    });
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
