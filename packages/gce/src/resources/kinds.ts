import type { Disk, Instance, MachineImage, Snapshot } from '@imgkit/core';

import { toDisk, toSnapshot } from '../mapping/disk.ts';
import { toInstance } from '../mapping/instance.ts';
import { toMachineImage } from '../mapping/machine-image.ts';
import type { Place, ResourceKind } from './resource-calls.ts';

/** Where instances are. */
export const instancePlace: Place = {
  what: 'instance',
  service: 'instances',
  field: 'instance',
  zonal: true,
};

/** Instances, with the name of the provider that their images are of. */
export function instanceKind(provider: string): ResourceKind<Instance> {
  return { ...instancePlace, show: (native) => toInstance(native, provider) };
}

/** Disks, with the name of the provider that their images are of. */
export function diskKind(provider: string): ResourceKind<Disk> {
  return {
    what: 'disk',
    service: 'disks',
    field: 'disk',
    zonal: true,
    show: (native) => toDisk(native, provider),
  };
}

/** Snapshots. */
export const snapshotKind: ResourceKind<Snapshot> = {
  what: 'snapshot',
  service: 'snapshots',
  field: 'snapshot',
  zonal: false,
  show: toSnapshot,
};

/** Machine images. */
export const machineImageKind: ResourceKind<MachineImage> = {
  what: 'machine image',
  service: 'machineImages',
  field: 'machineImage',
  zonal: false,
  show: toMachineImage,
};
