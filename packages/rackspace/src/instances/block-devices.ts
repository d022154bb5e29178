import { ImgkitError, type CallOptions, type MachineTemplate } from '@imgkit/core';

import type { CloudContext } from '../resources/context.ts';
import { invalid } from '../resources/rules.ts';
import { toGib } from '../volumes/volume-kind.ts';

type BlockDevice = Readonly<Record<string, unknown>>;

/**
 * The volumes that a server gets, as Nova takes them; nothing for a server with a disk of its flavor's alone.
 * https://docs.openstack.org/nova/latest/user/block-device-mapping.html
 *
 * @param bootVolumeBytes - The size of its boot volume; nothing when it boots from the flavor's disk.
 * @throws `UNSUPPORTED` where the cloud has no volumes.
 */
export async function blockDevices(
  context: CloudContext,
  { boot, bootDiskSizeBytes, disks = [] }: MachineTemplate,
  bootVolumeBytes: number | undefined,
  options: CallOptions,
): Promise<readonly BlockDevice[] | undefined> {
  if (bootVolumeBytes === undefined && disks.length === 0) return undefined;
  if (!(await context.offers('block-storage', options)))
    throw new ImgkitError('UNSUPPORTED', 'this cloud has no volumes', {
      hint: 'Boot from an image, without further disks: only a cloud with Cinder has volumes.',
    });
  return [
    bootVolumeBytes === undefined
      ? localDisk(boot)
      : bootVolume(boot, bootVolumeBytes, bootDiskSizeBytes),
    ...disks.map(furtherDisk),
  ];
}

/** With other devices beside it, the disk that is made of the image has to be named too. */
export function localDisk(boot: MachineTemplate['boot']): BlockDevice {
  return {
    source_type: 'image',
    uuid: boot.kind === 'image' ? boot.image.id : undefined,
    destination_type: 'local',
    boot_index: 0,
    delete_on_termination: true,
  };
}

function bootVolume(
  boot: MachineTemplate['boot'],
  bytes: number,
  wanted: number | undefined,
): BlockDevice {
  const common = { destination_type: 'volume', boot_index: 0 };
  switch (boot.kind) {
    case 'disk':
      if (wanted !== undefined)
        throw invalid('a volume that stands keeps its size', 'Leave `bootDiskSizeBytes` out.');
      return { ...common, source_type: 'volume', uuid: boot.disk, delete_on_termination: false };
    case 'snapshot':
      return {
        ...common,
        source_type: 'snapshot',
        uuid: boot.snapshot,
        volume_size: wanted === undefined ? undefined : toGib(bytes),
        delete_on_termination: true,
      };
    case 'image':
      return {
        ...common,
        source_type: 'image',
        uuid: boot.image.id,
        volume_size: toGib(bytes),
        delete_on_termination: true,
      };
  }
}

function furtherDisk(disk: NonNullable<MachineTemplate['disks']>[number]): BlockDevice {
  const common = { destination_type: 'volume', boot_index: -1 };
  if ('disk' in disk)
    return { ...common, source_type: 'volume', uuid: disk.disk, delete_on_termination: false };
  if (!Number.isSafeInteger(disk.sizeBytes) || disk.sizeBytes < 1)
    throw invalid(
      `a disk can't have a size of ${disk.sizeBytes} bytes`,
      'Give a whole number of bytes.',
    );
  return {
    ...common,
    source_type: 'blank',
    volume_size: toGib(disk.sizeBytes),
    delete_on_termination: disk.deleteWithInstance ?? true,
  };
}
