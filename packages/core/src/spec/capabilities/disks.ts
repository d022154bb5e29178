import type { CallOptions } from '../call-options.ts';
import type { Labels } from '../labels.ts';
import type { Operation } from '../operation.ts';
import type { ImageRef } from '../ref.ts';

/** Whether a disk, snapshot or machine image stands. */
export type ResourceStatus = 'PENDING' | 'READY' | 'FAILED' | 'DELETING';

/** What a new disk holds. */
export type DiskSource =
  | { readonly kind: 'empty' }
  | { readonly kind: 'image'; readonly image: ImageRef }
  | { readonly kind: 'snapshot'; readonly snapshot: string };

/** One disk. */
export interface Disk {
  readonly id: string;
  readonly name: string;
  readonly status: ResourceStatus;
  /** Its size, in bytes. */
  readonly sizeBytes: number;
  /** When it was created, as an ISO 8601 instant. */
  readonly createdAt: string;
  readonly labels: Labels;
  /** The ids of the instances it is attached to. */
  readonly instances: readonly string[];
  /** The image it was made of, when the cloud remembers. */
  readonly image?: ImageRef | undefined;
  readonly native?: unknown;
}

/** A new disk. */
export interface CreateDiskRequest {
  readonly name: string;
  /** What it holds; `empty` by default. */
  readonly source?: DiskSource | undefined;
  /**
   * Its size, in bytes; the source's by default, and never smaller. Needed for an empty disk. Clouds that count
   * in GiB round it up.
   */
  readonly sizeBytes?: number | undefined;
  readonly labels?: Labels | undefined;
  /** Two creates with the same key give one disk. */
  readonly idempotencyKey?: string | undefined;
  readonly providerOptions?: Readonly<Record<string, unknown>> | undefined;
}

/** Disks that stand by themselves. */
export interface Disks {
  /** @throws {@link ImgkitError} with `NOT_FOUND`. */
  get(id: string, options?: CallOptions): Promise<Disk>;
  /** Lists the disks of the provider's project, page by page. */
  list(
    filter?: { readonly name?: string | undefined; readonly labels?: Labels | undefined },
    options?: CallOptions,
  ): AsyncIterable<Disk>;
  /**
   * Makes a disk, and is done when it is READY.
   *
   * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for a bad name or a size smaller than the source's,
   *   `ALREADY_EXISTS`, `NOT_FOUND` for the source, `IMAGE_OBSOLETE` or `IMAGE_DELETED`, `QUOTA_EXCEEDED`.
   */
  create(request: CreateDiskRequest, options?: CallOptions): Operation<Disk>;
  /**
   * Deletes a disk. Deleting what is already gone succeeds.
   *
   * @throws {@link ImgkitError} with `IN_USE` if it is attached to an instance, or has snapshots that wouldn't
   *   outlive it.
   */
  delete(id: string, options?: CallOptions): Operation<void>;
}
