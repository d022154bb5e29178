import type { CallOptions, Disk } from '@imgkit/core';

import type { CloudContext } from '../resources/context.ts';
import { toInstance } from './instance-view.ts';
import { findServer } from './server-state.ts';

const form = /^([0-9a-f-]{36})\/root$/i;

/**
 * The disk that a server has in Nova itself, by the id that its instance gives it: no volume of Cinder, but a part of
 * the server, which goes with it. Nothing when there is none.
 */
export async function findLocalDisk(
  context: CloudContext,
  id: string,
  options?: CallOptions,
): Promise<Disk | undefined> {
  const [, serverId] = form.exec(id) ?? [];
  if (serverId === undefined) return undefined;
  const server = await findServer(context, serverId, options);
  if (server === undefined) return undefined;
  const { name, createdAt, image, disks } = await toInstance(context, server, options);
  const disk = disks.find((one) => one.id === id);
  if (disk === undefined) return undefined;
  const { sizeBytes } = disk;
  return {
    id,
    name,
    status: 'READY',
    sizeBytes,
    createdAt,
    labels: {},
    instances: [serverId],
    image,
  };
}
