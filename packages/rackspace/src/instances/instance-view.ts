import type { CallOptions, Instance, InstanceStatus } from '@imgkit/core';

import { toImage } from '../mapping.ts';
import type { NovaServer } from '../nova/nova-server.ts';
import type { CloudContext } from '../resources/context.ts';
import { findImage } from '../resources/image-access.ts';
import { fromGib } from '../volumes/volume-kind.ts';
import { attachedVolumes } from './attached-volumes.ts';
import { imageOf } from './server-image.ts';
import { readServerMetadata } from './server-metadata.ts';

/** https://docs.openstack.org/api-guide/compute/server_concepts.html */
const statuses: Readonly<Record<string, InstanceStatus>> = {
  ACTIVE: 'RUNNING',
  BUILD: 'PENDING',
  DELETED: 'DELETING',
  ERROR: 'FAILED',
  HARD_REBOOT: 'RUNNING',
  MIGRATING: 'RUNNING',
  PASSWORD: 'RUNNING',
  PAUSED: 'STOPPED',
  REBOOT: 'RUNNING',
  REBUILD: 'PENDING',
  RESCUE: 'RUNNING',
  RESIZE: 'PENDING',
  REVERT_RESIZE: 'PENDING',
  SHELVED: 'STOPPED',
  SHELVED_OFFLOADED: 'STOPPED',
  SHUTOFF: 'STOPPED',
  SOFT_DELETED: 'DELETING',
  SUSPENDED: 'STOPPED',
  VERIFY_RESIZE: 'RUNNING',
};

/** What a task on its way says more than the status. */
const tasks: Readonly<Record<string, InstanceStatus>> = {
  deleting: 'DELETING',
  'soft-deleting': 'DELETING',
  'powering-off': 'STOPPING',
  'powering-on': 'PENDING',
};

/** Whether a server runs, as the contract has it. */
export function statusOfServer(server: NovaServer): InstanceStatus {
  const task = tasks[server['OS-EXT-STS:task_state'] ?? ''];
  return task ?? statuses[server.status] ?? 'FAILED';
}

/** Whether a server is as good as gone: some clouds keep what was deleted for a while. */
export function isGone({ status }: NovaServer): boolean {
  return status === 'DELETED' || status === 'SOFT_DELETED';
}

/** A server as the contract has it. What the server itself doesn't tell is asked for. */
export async function toInstance(
  context: CloudContext,
  server: NovaServer,
  options?: CallOptions,
): Promise<Instance> {
  const { id, name, created, fault } = server;
  const { labels, metadata } = readServerMetadata(server);
  const image = imageOf(server);
  const [size, volumes] = await Promise.all([
    sizeOf(context, server, options),
    attachedVolumes(context, server, options),
  ]);
  const root = {
    id: `${id}/root`,
    boot: true,
    sizeBytes: size.bootDiskSizeBytes,
    deleteWithInstance: true,
  };
  const attached = volumes.map(({ native, boot, deleteWithInstance }) => ({
    id: native.id,
    boot,
    sizeBytes: fromGib(native.size),
    deleteWithInstance,
  }));
  return {
    id,
    name,
    status: statusOfServer(server),
    createdAt: created,
    labels,
    image: image === undefined ? undefined : context.ref(image),
    machineType: size.machineType,
    disks: image === undefined && volumes.length > 0 ? attached : [root, ...attached],
    metadata,
    reason: fault?.message,
    native: server,
  };
}

interface ServerSize {
  readonly machineType: string;
  readonly bootDiskSizeBytes: number;
}

/** Before 2.47 a server tells the id of its flavor alone. */
async function sizeOf(
  context: CloudContext,
  server: NovaServer,
  options: CallOptions | undefined,
): Promise<ServerSize> {
  const { id, original_name: name, disk } = server.flavor;
  const flavor =
    name === undefined && id !== undefined ? await context.flavors.find(id, options) : undefined;
  const gibibytes = disk ?? flavor?.disk ?? 0;
  return {
    machineType: name ?? flavor?.name ?? id ?? '',
    bootDiskSizeBytes:
      gibibytes > 0 ? gibibytes * 2 ** 30 : await imageSize(context, imageOf(server), options),
  };
}

/** A flavor without a disk gives one that is as large as the image. */
async function imageSize(
  context: CloudContext,
  id: string | undefined,
  options: CallOptions | undefined,
): Promise<number> {
  const image = id === undefined ? undefined : await findImage(context, id, options);
  return image === undefined ? 0 : toImage(image, context).diskSizeBytes;
}
