import type { CallOptions } from '../call-options.ts';
import type {
  Architecture,
  Deprecation,
  DeprecationState,
  Image,
  ImageSource,
  ImageStatus,
} from '../image.ts';
import type { Labels } from '../labels.ts';
import type { Operation } from '../operation.ts';

/** What names a provider allows. Callers check it before anything is created. */
export interface NameRule {
  /** A regular expression that the whole name must match. */
  readonly pattern: RegExp;
  /** The rule in words, to be shown with a refused name. */
  readonly description: string;
}

/** How the images of this provider differ from others'. */
export interface ImagesTraits {
  /** The kinds of source that `create` takes. */
  readonly sources: readonly ImageSource['kind'][];
  /** What an image may be called. */
  readonly imageName: NameRule;
  /** What a family may be called. */
  readonly familyName: NameRule;
  /** Whether `Image.digest` is given. */
  readonly digests: boolean;
}

/** Which images to list. What is left out doesn't filter. */
export interface ImageFilter {
  /** Whose images: the provider's own project by default; another's only as far as they are shared or public. */
  readonly project?: string | undefined;
  /** Exactly this name. */
  readonly name?: string | undefined;
  /** Exactly this family, staged images included. */
  readonly family?: string | undefined;
  /** Published or staged only. */
  readonly published?: boolean | undefined;
  /** One of these statuses. */
  readonly status?: readonly ImageStatus[] | undefined;
  /** One of these states. */
  readonly states?: readonly DeprecationState[] | undefined;
  /** All of these labels, with exactly these values. */
  readonly labels?: Labels | undefined;
  /** How many to ask the cloud for at a time. */
  readonly pageSize?: number | undefined;
}

/** A new image. */
export interface CreateImageRequest {
  /** Its name, by the rule in the traits. */
  readonly name: string;
  /** What it is made of: exactly one source. */
  readonly source: ImageSource;
  /** The family it is for. */
  readonly family?: string | undefined;
  /** Its version in the family. */
  readonly version?: string | undefined;
  /**
   * With a family: `true` keeps the image from ever being the head until it is published; `false`
   * publishes it as soon as it is READY.
   */
  readonly staged?: boolean | undefined;
  /** Its labels. */
  readonly labels?: Labels | undefined;
  /** What it is, in words. */
  readonly description?: string | undefined;
  /** The processor it is for; the source's by default. */
  readonly architecture?: Architecture | undefined;
  /** The deprecation it starts with; `ACTIVE` by default. */
  readonly deprecation?: Deprecation | undefined;
  /** Two creates with the same key give one image. */
  readonly idempotencyKey?: string | undefined;
  /** What only this cloud knows. */
  readonly providerOptions?: Readonly<Record<string, unknown>> | undefined;
}

/** What can be changed of an image. What is left out stays. */
export interface ImageUpdate {
  /** Labels to set, and, with `null`, to remove. Others stay. */
  readonly labels?: Readonly<Record<string, string | null>> | undefined;
  /** The new description. */
  readonly description?: string | undefined;
}

/** The images of a provider: the one capability that every provider has. */
export interface Images {
  /** How they differ from others'. */
  readonly traits: ImagesTraits;

  /**
   * Gives one image, in whatever state.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND` if there is none with that id, or none that this project may see.
   */
  get(id: string, options?: CallOptions): Promise<Image>;

  /**
   * Lists images, newest first where the cloud can, page by page as they are asked for: leaving the
   * loop early asks for no further page. Each image is given once.
   */
  list(filter?: ImageFilter, options?: CallOptions): AsyncIterable<Image>;

  /**
   * Makes an image, and is done when it is READY. Aborting before then leaves nothing behind, or
   * rejects with `PENDING` and a token when the cloud can't be stopped.
   *
   * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for a bad name, label or source, before anything
   *   is created; `ALREADY_EXISTS` if the name is taken by what another idempotency key (or nobody's)
   *   made; `NOT_FOUND` if the source doesn't exist; `IMAGE_OBSOLETE` or `IMAGE_DELETED` if the source
   *   is an image in that state; `UNSUPPORTED` if the kind of source isn't in the traits;
   *   `FAILED_PRECONDITION` if the source is a running instance that isn't to be stopped;
   *   `OPERATION_FAILED` if the cloud reports a failure, after everything made on the way is deleted.
   */
  create(request: CreateImageRequest, options?: CallOptions): Operation<Image>;

  /**
   * Changes labels or description; nothing else of the image is touched.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND`, or `INVALID_ARGUMENT` for a label the cloud doesn't take.
   */
  update(id: string, changes: ImageUpdate, options?: CallOptions): Promise<Image>;

  /**
   * Deletes the image for good, whoever uses it: ask `kit.deletion` for the safe way. Deleting what
   * is already gone succeeds.
   *
   * @throws {@link ImgkitError} with `IN_USE` if the cloud itself refuses, `PERMISSION_DENIED` for another project's.
   */
  delete(id: string, options?: CallOptions): Operation<void>;
}
