import type { CallOptions } from '@imgkit/core';

/** What a base image is made from: see {@link tinyBase}, {@link debianBase} and {@link cloudImage}. */
export type BaseKind = 'tiny' | 'debian' | 'cloud-image';

/** A base image that stands ready on this machine. */
export interface BaseImage {
  readonly kind: BaseKind;
  /** One line for people. */
  readonly description: string;
  readonly arch: 'x86_64';
  /** The user to log in as; the SSH keys of a machine's seed are given to it. */
  readonly defaultUser: string;
  /** The absolute path of the qcow2 file, which is never changed once it stands. */
  readonly path: string;
  /** The SHA-256 of the file, in hex. */
  readonly sha256: string;
  /** The size of the file in bytes. */
  readonly sizeBytes: number;
  /** The digest of everything that says how the image is made, in hex: the key of the cache. */
  readonly recipeDigest: string;
  /** When it was made, as ISO 8601 in UTC. */
  readonly builtAt: string;
}

/** How far a build is. */
export interface BuildProgress {
  /** What is being done, for people. */
  readonly phase: string;
  /** The part of this phase that is done, from 0 to 1, when it is known. */
  readonly fraction?: number | undefined;
}

/** How a base image is built. */
export interface BuildOptions extends CallOptions {
  /** Called at every new phase, and within one when its fraction is known. */
  readonly onProgress?: ((progress: BuildProgress) => void) | undefined;
}

/** Makes one base image, and makes it only once. */
export interface BaseBuilder {
  readonly kind: BaseKind;
  /** One line for people. */
  readonly description: string;
  /**
   * Gives the image from `directory`, where it is made first if it isn't there.
   *
   * However many processes ask, one makes it and the others wait. The image appears whole or not
   * at all, also when the process is killed; what a killed one left is removed by the next build.
   *
   * @throws `FAILED_PRECONDITION` when a program is missing, with the line that installs it;
   *   `QUOTA_EXCEEDED` when the disk is too full, before anything is written; `UNAVAILABLE` when a
   *   server can't be reached; `INVALID_ARGUMENT` when a checksum or a file is wrong; `CANCELLED`.
   */
  build(directory: string, options?: BuildOptions): Promise<BaseImage>;
}
