import type { CallOptions } from '../call-options.ts';
import type { Principal, PrincipalKind } from '../principal.ts';

/** What a grant reaches, from the narrowest to the widest. */
export type SharingUnit = 'image' | 'family' | 'gallery' | 'project';

/** How sharing works at this provider. */
export interface SharingTraits {
  /** The narrowest thing that can be shared. */
  readonly unit: SharingUnit;
  /** Who can be named. */
  readonly principals: readonly PrincipalKind[];
  /** Whether the consumer must accept before the grant works; then `accept` and `reject` are there. */
  readonly consumerAccepts: boolean;
  /**
   * Whether a shared image is in the listing that the consumer asks for of its owner's project; it is by default.
   * Where it isn't, the consumer has to be told its id.
   */
  readonly consumerLists?: boolean | undefined;
}

/** Somebody's leave to use an image. */
export interface Grant {
  /** Who. */
  readonly principal: Principal;
  /** What the grant reaches; wider than `image` means that other images are shared with it. */
  readonly reach: SharingUnit;
  /** Whether it works yet. */
  readonly state: 'PENDING' | 'ACTIVE' | 'REJECTED';
}

/** How far a grant may reach. */
export interface GrantOptions extends CallOptions {
  /** Allows a grant that reaches more than the image. False by default. */
  readonly allowWider?: boolean | undefined;
}

/** Lets others use images. */
export interface Sharing {
  /** How it works here. */
  readonly traits: SharingTraits;

  /**
   * Lets `principals` use the image; those that already can are kept, and granting again succeeds.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND`, with `UNSUPPORTED` for a kind of principal not in the
   *   traits, with `INVALID_ARGUMENT` for an id that can't be right, with `FAILED_PRECONDITION` if the
   *   grant would reach wider than the image and `allowWider` isn't set. Then nothing is granted.
   */
  grant(id: string, principals: readonly Principal[], options?: GrantOptions): Promise<void>;

  /** Lists who may use the image, its owner not included. */
  list(id: string, options?: CallOptions): AsyncIterable<Grant>;

  /**
   * Takes grants back; what exists goes on. Taking back what isn't granted succeeds.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND` if there is no such image.
   */
  revoke(id: string, principals: readonly Principal[], options?: GrantOptions): Promise<void>;

  /** Accepts, as the consumer, an image that was shared with this project. There only when the trait says so. */
  accept?(id: string, options?: CallOptions): Promise<void>;

  /** Rejects, as the consumer, an image that was shared with this project. There only when the trait says so. */
  reject?(id: string, options?: CallOptions): Promise<void>;
}
