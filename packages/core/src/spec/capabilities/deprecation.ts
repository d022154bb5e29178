import type { CallOptions } from '../call-options.ts';
import type { Deprecation, Image } from '../image.ts';

/** What of deprecation the cloud does itself; what it doesn't, imgkit's services do. */
export interface DeprecationTraits {
  /** Whether the cloud itself refuses new use of an OBSOLETE image. */
  readonly enforcesObsolete: boolean;
  /** Whether the cloud has a field for the replacement; else it is kept in a label. */
  readonly nativeReplacement: boolean;
  /** Whether the cloud has fields for planned dates; else they are kept in labels. */
  readonly nativeDates: boolean;
  /** Whether the cloud changes the state by itself when a date comes. */
  readonly carriesOutDates: boolean;
}

/** Sets the state of images. */
export interface DeprecationControl {
  /** What the cloud does itself. */
  readonly traits: DeprecationTraits;

  /**
   * Replaces the whole deprecation of an image: what is left out is no longer set. Setting what is
   * set already succeeds. Any state can follow any other, also ACTIVE again.
   *
   * @returns The image as it is now.
   * @throws {@link ImgkitError} with `NOT_FOUND`, with `INVALID_ARGUMENT` for a date that isn't one,
   *   with `PERMISSION_DENIED` for another project's image.
   */
  set(id: string, deprecation: Deprecation, options?: CallOptions): Promise<Image>;
}
