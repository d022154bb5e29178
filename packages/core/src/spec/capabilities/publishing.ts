import type { CallOptions } from '../call-options.ts';
import type { Image } from '../image.ts';

/** What of families the cloud does itself. */
export interface PublishingTraits {
  /** Whether the cloud has heads of its own that launches by family resolve to: then `head` is there. */
  readonly nativeHead: boolean;
}

/** Where an image is published. */
export interface PublishRequest {
  /** The family. */
  readonly family: string;
  /** The version in it. */
  readonly version?: string | undefined;
}

/** Moves images between staged and published. */
export interface Publishing {
  /** What the cloud does itself. */
  readonly traits: PublishingTraits;

  /**
   * Publishes a READY, ACTIVE image to a family: from now on it can be the head. Predecessors are
   * not touched: that is `kit.families.publish`. Publishing again succeeds and changes nothing.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND`, with `FAILED_PRECONDITION` if it isn't READY or not ACTIVE,
   *   with `INVALID_ARGUMENT` for a family's name the cloud doesn't take.
   */
  publish(id: string, request: PublishRequest, options?: CallOptions): Promise<Image>;

  /**
   * Makes a published image staged again: it keeps its family and version, and is no longer the
   * head. Withdrawing a staged image succeeds and changes nothing.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND`.
   */
  withdraw(id: string, options?: CallOptions): Promise<Image>;

  /**
   * Gives the head as the cloud resolves it, or nothing when the family has none. There only when
   * `traits.nativeHead` is true.
   */
  head?(
    family: string,
    scope?: { readonly project?: string | undefined; readonly zone?: string | undefined },
    options?: CallOptions,
  ): Promise<Image | undefined>;
}
