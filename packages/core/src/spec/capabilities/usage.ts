import type { CallOptions } from '../call-options.ts';

/** What can use an image. */
export type ImageUserKind =
  | 'instance'
  | 'template'
  | 'fleet'
  | 'disk'
  | 'image'
  | 'machine-image'
  | 'family-head'
  | 'channel'
  | 'grant';

/** One thing that uses an image. */
export interface ImageUser {
  readonly kind: ImageUserKind;
  /** Its id at the provider, or its name. */
  readonly id: string;
  /** How it uses the image, for a person to read. */
  readonly reason: string;
}

/** Who uses an image. */
export interface UsageReport {
  readonly users: readonly ImageUser[];
  /** Whether everything that could use the image was asked. If not, the image must not be deleted. */
  readonly complete: boolean;
  /** What could not be asked, and why; empty when complete. */
  readonly unanswered: readonly string[];
}

/** Tells who uses an image. */
export interface Usage {
  /**
   * Tells what instances, templates in every version, fleets (of size zero too), disks and child
   * images use the image. What can't be asked makes the report incomplete; it never throws for that.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND` if there is no such image.
   */
  of(id: string, options?: CallOptions): Promise<UsageReport>;
}
