import type { CallOptions } from '../call-options.ts';
import type { Labels } from '../labels.ts';

/** The kinds of resources that imgkit makes. An accessory is made for an instance alone: a key pair, an address. */
export type OwnedKind =
  | 'instance'
  | 'accessory'
  | 'disk'
  | 'snapshot'
  | 'image'
  | 'machine-image'
  | 'fleet';

/** Every {@link OwnedKind}, in the order in which they are removed: not every cloud deletes a disk before its snapshots. */
export const ownedKinds = [
  'fleet',
  'instance',
  'accessory',
  'machine-image',
  'snapshot',
  'disk',
  'image',
] as const satisfies readonly OwnedKind[];

/** Something that carries imgkit's ownership labels. */
export interface OwnedResource {
  readonly kind: OwnedKind;
  readonly id: string;
  readonly name: string;
  /** When it was created, as an ISO 8601 instant. */
  readonly createdAt: string;
  readonly labels: Labels;
}

/** All that carries imgkit's labels, for clean-up and sweep. Every provider has it. */
export interface OwnedResources {
  /**
   * Lists everything, of every kind the provider can create, that carries all of `labels` with
   * exactly these values: also what is half made or failed.
   */
  list(labels: Labels, options?: CallOptions): AsyncIterable<OwnedResource>;

  /**
   * Deletes one resource. Deleting what is gone succeeds.
   *
   * @throws {@link ImgkitError} with `IN_USE`, `PERMISSION_DENIED`, or `INVALID_ARGUMENT` for an unknown kind.
   */
  delete(kind: OwnedKind, id: string, options?: CallOptions): Promise<void>;
}
