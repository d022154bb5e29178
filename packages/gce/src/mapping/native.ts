import { isWireObject } from '../api/wire.ts';

/** Google's own object of an instance, as far as it is of use; 64-bit numbers are text. */
export interface GceInstance {
  readonly kind: 'compute#instance';
  /** Google's number of it. */
  readonly id: string;
  readonly name: string;
  readonly selfLink: string;
  /** Google's own status: `STAGING`, `TERMINATED`. */
  readonly status: string;
  readonly statusMessage?: string | undefined;
  /** The URL of its zone. */
  readonly zone?: string | undefined;
  /** The URL of its machine type. */
  readonly machineType?: string | undefined;
  readonly cpuPlatform?: string | undefined;
  readonly lastStartTimestamp?: string | undefined;
  readonly lastStopTimestamp?: string | undefined;
  readonly networkInterfaces?: readonly {
    readonly network?: string | undefined;
    readonly subnetwork?: string | undefined;
    readonly networkIP?: string | undefined;
    readonly accessConfigs?: readonly { readonly natIP?: string | undefined }[] | undefined;
  }[];
  readonly scheduling?:
    | {
        readonly provisioningModel?: string | undefined;
        readonly terminationTime?: string | undefined;
        readonly instanceTerminationAction?: string | undefined;
      }
    | undefined;
  readonly tags?: { readonly items?: readonly string[] | undefined } | undefined;
  readonly serviceAccounts?: readonly {
    readonly email?: string | undefined;
    readonly scopes?: readonly string[] | undefined;
  }[];
}

/** Google's own object of a disk, as far as it is of use; 64-bit numbers are text. */
export interface GceDisk {
  readonly kind: 'compute#disk';
  /** Google's number of it. */
  readonly id: string;
  readonly name: string;
  readonly selfLink: string;
  /** Google's own status: `RESTORING`. */
  readonly status: string;
  /** The URL of its type. */
  readonly type?: string | undefined;
  readonly sizeGb?: string | undefined;
  readonly lastAttachTimestamp?: string | undefined;
  readonly lastDetachTimestamp?: string | undefined;
  readonly sourceImage?: string | undefined;
  readonly sourceSnapshot?: string | undefined;
  readonly diskEncryptionKey?: { readonly kmsKeyName?: string | undefined } | undefined;
}

/** Google's own object of a snapshot, as far as it is of use; 64-bit numbers are text. */
export interface GceSnapshot {
  readonly kind: 'compute#snapshot';
  /** Google's number of it. */
  readonly id: string;
  readonly name: string;
  readonly selfLink: string;
  /** Google's own status: `UPLOADING`. */
  readonly status: string;
  readonly storageBytes?: string | undefined;
  readonly storageLocations?: readonly string[] | undefined;
  readonly snapshotType?: string | undefined;
  readonly snapshotEncryptionKey?: { readonly kmsKeyName?: string | undefined } | undefined;
}

/** Google's own object of a machine image, as far as it is of use; 64-bit numbers are text. */
export interface GceMachineImage {
  readonly kind: 'compute#machineImage';
  /** Google's number of it. */
  readonly id: string;
  readonly name: string;
  readonly selfLink: string;
  /** Google's own status: `INVALID`. */
  readonly status: string;
  readonly description?: string | undefined;
  readonly totalStorageBytes?: string | undefined;
  readonly storageLocations?: readonly string[] | undefined;
  readonly machineImageEncryptionKey?: { readonly kmsKeyName?: string | undefined } | undefined;
}

/** Whether an instance's `native` is Google's, which gives it a type. */
export function isGceInstance(native: unknown): native is GceInstance {
  return isKind(native, 'compute#instance');
}

/** Whether a disk's `native` is Google's, which gives it a type. */
export function isGceDisk(native: unknown): native is GceDisk {
  return isKind(native, 'compute#disk');
}

/** Whether a snapshot's `native` is Google's, which gives it a type. */
export function isGceSnapshot(native: unknown): native is GceSnapshot {
  return isKind(native, 'compute#snapshot');
}

/** Whether a machine image's `native` is Google's, which gives it a type. */
export function isGceMachineImage(native: unknown): native is GceMachineImage {
  return isKind(native, 'compute#machineImage');
}

function isKind(native: unknown, kind: string): boolean {
  return (
    isWireObject(native) &&
    native['kind'] === kind &&
    ['id', 'name', 'selfLink', 'status'].every((key) => typeof native[key] === 'string')
  );
}
