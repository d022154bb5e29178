export type { AzureDiskOptions } from './disks.ts';
export { isAzureImages, type AzureImages } from './images.ts';
export type { AzureDeletedImage, AzureDeletedImages } from './images/deleted-images.ts';
export type { AzureImageOptions } from './images/image-request.ts';
export type {
  AzureRegionStatus,
  AzureReplication,
  AzureReplicationChange,
  AzureReplicationStatus,
} from './versions/replication.ts';
export type { AzureTargetRegion } from './versions/target-regions.ts';
export { isAzureFleets, type AzureFleets } from './fleets.ts';
export type {
  AzureFleetOptions,
  AzureHealth,
  AzureRollingPolicy,
  AzureRolloutOptions,
  AzureUpgradeMode,
} from './fleets/fleet-options.ts';
export {
  isAzureMarketplaceImage,
  type AzureMarketplaceImage,
  type AzurePurchasePlan,
} from './images/marketplace.ts';
export { isAzureMachineImages, type AzureMachineImages } from './machine-images.ts';
export type { AzureMachineImageCopy } from './machine-images/point-copy.ts';
export type { AzureMachineImageOptions } from './machine-images/machine-image-options.ts';
export type { AzureMachineOptions, AzureRestoreOptions } from './machines/machine-options.ts';
export { isAzureImageVersion, type AzureImageVersion } from './mapping.ts';
export type {
  AzureCredentials,
  AzureOptions,
  AzureStorageCredentials,
  AzureStorageOptions,
  AzureTokenSource,
} from './options.ts';
export { azure } from './plugin.ts';
export type { AzureSnapshotOptions } from './snapshots.ts';
export { isAzureSharing, type AzureGallerySharing, type AzureSharing } from './sharing.ts';
