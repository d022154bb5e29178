import type { CallOptions } from '../call-options.ts';
import type { Labels } from '../labels.ts';
import type { Operation } from '../operation.ts';
import type { ResourceStatus } from './disks.ts';

/** How the snapshots of this provider differ from others'. */
export interface SnapshotsTraits {
  /** Whether snapshots stay when their disk is deleted. Where they can't, a disk that has some is IN_USE. */
  readonly outliveDisks: boolean;
}

/** A backup of one disk at one moment. */
export interface Snapshot {
  readonly id: string;
  readonly name: string;
  readonly status: ResourceStatus;
  /** The id of the disk it was taken of, which may be gone. */
  readonly disk: string;
  /** The size of the disk, in bytes. */
  readonly diskSizeBytes: number;
  /** When it was created, as an ISO 8601 instant. */
  readonly createdAt: string;
  readonly labels: Labels;
  readonly native?: unknown;
}

/** A new snapshot. */
export interface CreateSnapshotRequest {
  readonly name: string;
  /** The id of the disk. */
  readonly disk: string;
  readonly labels?: Labels | undefined;
  /** Two creates with the same key give one snapshot. */
  readonly idempotencyKey?: string | undefined;
  readonly providerOptions?: Readonly<Record<string, unknown>> | undefined;
}

/** Backups of disks. A disk is made from one with `disks.create`, an image with `images.create`. */
export interface Snapshots {
  /** How they differ from others'; without it, they outlive their disks. */
  readonly traits?: SnapshotsTraits | undefined;

  /** @throws {@link ImgkitError} with `NOT_FOUND`. */
  get(id: string, options?: CallOptions): Promise<Snapshot>;
  /** Lists the snapshots of the provider's project, page by page. */
  list(
    filter?: {
      readonly name?: string | undefined;
      readonly disk?: string | undefined;
      readonly labels?: Labels | undefined;
    },
    options?: CallOptions,
  ): AsyncIterable<Snapshot>;
  /**
   * Takes a snapshot, and is done when it is READY. A disk in use is taken as it is at that moment.
   *
   * @throws {@link ImgkitError} with `INVALID_ARGUMENT`, `ALREADY_EXISTS`, or `NOT_FOUND` for the disk.
   */
  create(request: CreateSnapshotRequest, options?: CallOptions): Operation<Snapshot>;
  /** Deletes a snapshot. Deleting what is already gone succeeds; what was made of it goes on. */
  delete(id: string, options?: CallOptions): Operation<void>;
}
