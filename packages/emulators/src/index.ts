export type { EmulatedMarketplaceImage } from './azure/marketplace/marketplace.ts';
export type { AzureBudget, AzureRate } from './azure/rates.ts';
export type { EmulatedBlobs } from './azure/storage/blob-account.ts';
export {
  startAzureEmulator,
  type AzureEmulator,
  type AzureEmulatorOptions,
  type EmulatedArmOperation,
  type EmulatedRole,
} from './azure-emulator.ts';
export {
  createVirtualClock,
  type EmulatorClock,
  type VirtualClock,
} from './control-plane/clock.ts';
export type {
  AddedFault,
  DelayFault,
  DropFault,
  Fault,
  FaultEffect,
  Faults,
  FaultTarget,
  ListWarningFault,
  OperationErrorFault,
  StatusFault,
} from './control-plane/faults.ts';
export type { Json, JsonObject } from './control-plane/json.ts';
export type { LoggedRequest, Violation } from './control-plane/request-log.ts';
export type { EmulatedProject, ImportedImage, SeededImage } from './gce/emulated-project.ts';
export type { PolicyBinding } from './gce/iam.ts';
export type { RateLimits } from './gce/rates.ts';
export {
  startGceEmulator,
  type EmulatedOperation,
  type GceEmulator,
  type GceEmulatorOptions,
  type GceProjectOptions,
} from './gce-emulator.ts';
export type {
  EmulatedGuest,
  EmulatedGuestCommand,
  EmulatedGuestOutput,
} from './azure/machines/guest.ts';
