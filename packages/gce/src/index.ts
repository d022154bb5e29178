export { isGceImage, type GceDeprecation, type GceImage } from './mapping/image.ts';
export type { GceImageOptions } from './images/image-request.ts';
export type { GceCredentials, GceOptions } from './options.ts';
export { gce } from './plugin.ts';
export type { GceDiskOptions } from './disks.ts';
export type { GceMachineImageSharing, MachineImageGrant } from './sharing/machine-image-sharing.ts';
export { isGceMachineImages, type GceMachineImageOptions } from './machine-images.ts';
export type { GceMachineOptions } from './mapping/machine-options.ts';
export {
  isGceDisk,
  isGceInstance,
  isGceMachineImage,
  isGceSnapshot,
  type GceDisk,
  type GceInstance,
  type GceMachineImage,
  type GceSnapshot,
} from './mapping/native.ts';
export type { GceEncryptionOptions } from './resources/provider-options.ts';
export type { GceSnapshotOptions } from './snapshots.ts';
export type { GceFleetOptions, GceRolloutOptions } from './fleets/fleet-options.ts';
