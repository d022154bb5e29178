import type { CallOptions } from '../call-options.ts';

/** What the state of a booted machine depends on, beside the provider's own configuration. */
export interface WarmStartSubject {
  /** The id of the image it was booted from. */
  readonly image: string;
  /** Its size, as in the launch request. */
  readonly machineType?:
    | string
    | { readonly cpus: number; readonly memoryBytes: number }
    | undefined;
}

/**
 * Resumes machines from the saved state of a booted one instead of booting them: for builders, which
 * all start from the same image. A resumed machine gets an identity and keys of its own.
 *
 * The order: `launch` and wait for the guest; run {@link WarmStarts.guestScript} in it as root; `save`;
 * later `launch` with `warmStart` set to the key.
 */
export interface WarmStarts {
  /** A POSIX shell script that makes the guest ready to be saved. It is run as root and returns at once. */
  readonly guestScript: string;

  /** Gives the key under which the state of such a machine is saved; it differs whenever a saved state wouldn't fit. */
  key(subject: WarmStartSubject, options?: CallOptions): Promise<string>;

  /** Tells whether a usable state is saved under `key`. */
  has(key: string, options?: CallOptions): Promise<boolean>;

  /**
   * Saves the state of a running instance; the instance goes on running. Saving again under the same
   * key replaces the state.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND`, or `FAILED_PRECONDITION` if it isn't running.
   */
  save(key: string, instance: string, options?: CallOptions): Promise<void>;

  /** Removes a saved state. Removing what is gone succeeds. */
  delete(key: string, options?: CallOptions): Promise<void>;
}
