export type { AzureDiskOptions } from './disks.ts';
export type { AzureImageOptions, AzureTargetRegion } from './image-request.ts';
export { isAzureMarketplaceImage, type AzureMarketplaceImage } from './marketplace.ts';
export type { AzureMachineOptions } from './machines/machine-options.ts';
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
