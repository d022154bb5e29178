import type { CallOptions } from '@imgkit/core';

import type { CinderVolume } from '../cinder/cinder-volume.ts';
import type { NovaServer } from '../nova/nova-server.ts';
import type { CloudContext } from '../resources/context.ts';
import { imageOf } from './server-image.ts';

/** A volume as a server has it. */
export interface AttachedVolume {
  readonly native: CinderVolume;
  /** Whether the server boots from it. */
  readonly boot: boolean;
  /** Whether it goes when the server is deleted. */
  readonly deleteWithInstance: boolean;
  /** As which the server has it, `/dev/vdb`; an empty text where the cloud doesn't tell. */
  readonly device: string;
}

/**
 * The volumes of a server, the one that it boots from first, and the others in the order of their devices. Nova names
 * them in no order. Only to some it says which is the root device; for others it is the first volume that can be
 * booted from.
 */
export async function attachedVolumes(
  context: CloudContext,
  server: NovaServer,
  options?: CallOptions,
): Promise<readonly AttachedVolume[]> {
  const volumes = server['os-extended-volumes:volumes_attached'] ?? [];
  const found = await Promise.all(
    volumes.map(async ({ id, delete_on_termination: goes }) => {
      const native = await context.cinder.volume(id, options);
      const own = native.attachments.find((one) => one.server_id === server.id);
      return { native, deleteWithInstance: goes ?? false, device: own?.device ?? '' };
    }),
  );
  const ordered = found.toSorted(
    (a, b) => a.device.length - b.device.length || a.device.localeCompare(b.device),
  );
  const root = server['OS-EXT-SRV-ATTR:root_device_name'];
  const boot =
    imageOf(server) === undefined
      ? (ordered.find(({ device }) => device !== '' && device === root) ??
        ordered.find(({ native }) => native.bootable === 'true') ??
        ordered[0])
      : undefined;
  return ordered
    .map(({ native, deleteWithInstance, device }, index) => ({
      native,
      deleteWithInstance,
      device,
      boot: ordered[index] === boot,
    }))
    .toSorted((a, b) => Number(b.boot) - Number(a.boot));
}
