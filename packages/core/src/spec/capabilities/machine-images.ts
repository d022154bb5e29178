import type { CallOptions } from '../call-options.ts';
import type { Labels } from '../labels.ts';
import type { Operation } from '../operation.ts';
import type { ResourceStatus } from './disks.ts';
import type { Instance, LaunchRequest } from './instances.ts';

/** How the machine images of this provider differ from others'. */
export interface MachineImagesTraits {
  /** Which disks it holds. */
  readonly disks: 'all' | 'boot';
  /** Whether `consistency: 'application'` is there: the guest is asked to flush first. */
  readonly applicationConsistency: boolean;
  /** The least time between two machine images of one instance, in milliseconds; 0 for none. */
  readonly minIntervalMs: number;
}

/** A whole VM: its disks and its configuration. It holds no memory. */
export interface MachineImage {
  readonly id: string;
  readonly name: string;
  readonly status: ResourceStatus;
  /** The id of the instance it was taken of, which may be gone. */
  readonly instance: string;
  /** When it was created, as an ISO 8601 instant. */
  readonly createdAt: string;
  readonly labels: Labels;
  /** Its disks, the boot disk first, with their sizes in bytes. */
  readonly disks: readonly { readonly boot: boolean; readonly sizeBytes: number }[];
  /** The size of the machine, in the cloud's words. */
  readonly machineType: string;
  readonly native?: unknown;
}

/** A new machine image. */
export interface CreateMachineImageRequest {
  readonly name: string;
  /** The id of the instance, running or not. */
  readonly instance: string;
  /** `crash`: as if the plug was pulled (the default); `application`: the guest flushes first. */
  readonly consistency?: 'crash' | 'application' | undefined;
  readonly labels?: Labels | undefined;
  readonly description?: string | undefined;
  /** Two creates with the same key give one machine image. */
  readonly idempotencyKey?: string | undefined;
  readonly providerOptions?: Readonly<Record<string, unknown>> | undefined;
}

/** A machine made of a machine image; every field but the first two overrides what it holds. */
export interface RestoreRequest extends Omit<
  Partial<LaunchRequest>,
  'boot' | 'name' | 'warmStart'
> {
  /** The id of the machine image. */
  readonly machineImage: string;
  /** The new machine's name. */
  readonly name: string;
}

/** Backups of whole machines. */
export interface MachineImages {
  /** How they differ from others'. */
  readonly traits: MachineImagesTraits;
  /** @throws {@link ImgkitError} with `NOT_FOUND`. */
  get(id: string, options?: CallOptions): Promise<MachineImage>;
  /** Lists the machine images of the provider's project, page by page. */
  list(
    filter?: {
      readonly name?: string | undefined;
      readonly instance?: string | undefined;
      readonly labels?: Labels | undefined;
    },
    options?: CallOptions,
  ): AsyncIterable<MachineImage>;
  /**
   * Takes a machine image, and is done when it is READY. All disks are of the same moment.
   *
   * @throws {@link ImgkitError} with `INVALID_ARGUMENT`, `ALREADY_EXISTS`, `NOT_FOUND` for the instance,
   *   `UNSUPPORTED` for a consistency not in the traits, `RATE_LIMITED` with `retryAfterMs` before the
   *   least interval has passed.
   */
  create(request: CreateMachineImageRequest, options?: CallOptions): Operation<MachineImage>;
  /** Deletes a machine image. Deleting what is gone succeeds; what was made of it goes on. */
  delete(id: string, options?: CallOptions): Operation<void>;
  /**
   * Makes a machine of a machine image.
   *
   * @throws {@link ImgkitError} as `instances.launch` does, with `NOT_FOUND` for the machine image.
   */
  restore(request: RestoreRequest, options?: CallOptions): Operation<Instance>;
}
