import type { Labels } from './labels.ts';
import type { ImageRef } from './ref.ts';

/** Whether the image's data stands. Only a `READY` image can be booted. */
export type ImageStatus = 'PENDING' | 'READY' | 'FAILED' | 'DELETING';

/**
 * How an image may be used:
 *
 * - `ACTIVE`: use it.
 * - `DEPRECATED`: it works, using it warns, it is never the head of its family.
 * - `OBSOLETE`: new use is refused, what exists goes on.
 * - `DELETED`: a marker; every use is an error that names the replacement.
 */
export type DeprecationState = 'ACTIVE' | 'DEPRECATED' | 'OBSOLETE' | 'DELETED';

/** Every {@link DeprecationState}, from the freshest to the most withdrawn. */
export const deprecationStates = ['ACTIVE', 'DEPRECATED', 'OBSOLETE', 'DELETED'] as const;

/**
 * When the state is planned to change, as ISO 8601 instants. Dates are plans: nothing changes by
 * itself unless the cloud says so in its traits, or imgkit's `deprecation.tick` carries it out.
 */
export interface DeprecationDates {
  /** When the image becomes `DEPRECATED`. */
  readonly deprecated?: string | undefined;
  /** When the image becomes `OBSOLETE`. */
  readonly obsolete?: string | undefined;
  /** When the image becomes `DELETED`. */
  readonly deleted?: string | undefined;
}

/** The whole deprecation of an image: what is left out is not set. */
export interface Deprecation {
  /** How the image may be used. */
  readonly state: DeprecationState;
  /** What to use instead. */
  readonly replacement?: ImageRef | undefined;
  /** The planned dates. */
  readonly dates?: DeprecationDates | undefined;
}

/** The processor an image is for. */
export type Architecture = 'x86_64' | 'arm64';

/** What an image was made of, as far as the cloud remembers. */
export interface ImageOrigin {
  /** The kind of the source. */
  readonly kind: ImageSource['kind'];
  /** The source's id at the provider, or the file's name. */
  readonly id: string;
}

/** One immutable, bootable disk image. */
export interface Image {
  /** Where it is. */
  readonly ref: ImageRef;
  /** Its name, unique in its project. */
  readonly name: string;
  /** The project (account, subscription, tenant) it belongs to. */
  readonly project: string;
  /** The family it belongs to, or is staged for. */
  readonly family?: string | undefined;
  /** Its version in the family. */
  readonly version?: string | undefined;
  /** Whether it is published: a staged image is never a head. An image without a family isn't published. */
  readonly published: boolean;
  /** When it was published last, as an ISO 8601 instant. */
  readonly publishedAt?: string | undefined;
  /** Whether its data stands. */
  readonly status: ImageStatus;
  /** How it may be used. */
  readonly deprecation: Deprecation;
  /** When it was created, as an ISO 8601 instant. */
  readonly createdAt: string;
  /** The size of the disk it gives, in bytes. */
  readonly diskSizeBytes: number;
  /** What it takes in the cloud's store, in bytes, when the cloud tells. */
  readonly storedBytes?: number | undefined;
  /** The processor it is for, when known. */
  readonly architecture?: Architecture | undefined;
  /** Its digest as `sha256:<hex>`, when the cloud tells one. */
  readonly digest?: string | undefined;
  /** Its labels, those of imgkit included. */
  readonly labels: Labels;
  /** What it is, in words. */
  readonly description?: string | undefined;
  /** What it was made of, when the cloud remembers. */
  readonly origin?: ImageOrigin | undefined;
  /** The cloud's own object. Each adapter exports a guard that gives it a type. */
  readonly native?: unknown;
}

/** What a new image is made of: exactly one of these. */
export type ImageSource =
  /** A disk, by its id. */
  | { readonly kind: 'disk'; readonly disk: string }
  /** A snapshot of a disk, by its id. */
  | { readonly kind: 'snapshot'; readonly snapshot: string }
  /** Another image of the same provider, also of another project. */
  | { readonly kind: 'image'; readonly image: ImageRef }
  /** A disk file where the provider can read it: a path for a local one, an address of object storage for a cloud. */
  | { readonly kind: 'file'; readonly file: string }
  /**
   * The boot disk of an instance, by the instance's id. `whenRunning` says what happens to a running
   * one: `refuse` it with `FAILED_PRECONDITION` (the default), `stop` it first, or `flush` what can be
   * flushed and take the disk as it is.
   */
  | {
      readonly kind: 'instance';
      readonly instance: string;
      readonly whenRunning?: 'refuse' | 'stop' | 'flush' | undefined;
    };
