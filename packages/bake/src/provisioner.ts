import type { Json } from '@imgkit/core';
import type { Communicator } from './communicator/communicator.ts';
import type { Secret } from './secret.ts';

/** A machine that is being provisioned or verified. */
export interface Machine {
  /** The name of the provider it runs at. */
  readonly provider: string;
  /** Its id there. */
  readonly instance: string;
  /** The connection to its guest: the one that stands, or a new one. */
  guest(): Promise<Communicator>;
  /** What tells one boot of the guest from the next. */
  bootId(): Promise<string>;
  /**
   * Restarts the machine, unless it was restarted since it had the boot id `since`; done when the guest can be reached again and has proved by its boot id
   * that it is another boot.
   */
  restart(options: { readonly since: string; readonly timeoutMs: number }): Promise<void>;
}

/** What a provisioner gets beside the machine. */
export interface ProvisionContext {
  /** Stable over retries and crashes of this step, and of no other: names the work in the guest. */
  readonly token: string;
  /** Aborted when the run is cancelled. */
  readonly signal: AbortSignal;
  /** What an attempt before this one remembered, if there was one. */
  readonly memory: Json | undefined;
  /** Writes down how far the work has come, for an attempt after a crash. */
  remember(memory: Json): void;
  /** Shows what the guest printed. Secrets are taken out of it. */
  output(bytes: Buffer): void;
  /** Tells that something is tried again. */
  retry(message: string): void;
  /** Tells that something isn't as it should be, but goes on. */
  warn(message: string): void;
}

/**
 * One thing that is done to a machine on its way to an image. {@link shell}, {@link file} and {@link reboot} make them; an object of your own is as
 * good.
 *
 * @example
 * ```ts
 * import type { Provisioner } from '@imgkit/bake';
 *
 * const hostname = (name: string): Provisioner => ({
 *   kind: 'hostname',
 *   label: `hostname ${name}`,
 *   settings: { name },
 *   async run(machine) {
 *     const guest = await machine.guest();
 *     await guest.exec('cat >/etc/hostname', { stdin: `${name}\n`, asRoot: true });
 *   },
 * });
 * console.log(hostname('web').label);
 * ```
 */
export interface Provisioner {
  /** What it is: `shell`. */
  readonly kind: string;
  /** A few words that tell it from others in a list of steps: `shell install-nginx.sh`. */
  readonly label: string;
  /** All that makes a difference to the image, apart from the files and without secrets: it goes into the bake key. */
  readonly settings: Json;
  /** Local files it uses, by absolute path: their digests go into the bake key. */
  readonly files?: readonly string[] | undefined;
  /** What must never be shown. */
  readonly secrets?: readonly Secret[] | undefined;
  /** How long it may take, in milliseconds. Default: two hours. */
  readonly timeoutMs?: number | undefined;

  /**
   * Refuses bad settings, before anything is created.
   *
   * @param path - Where it stands in the recipe, for the message.
   * @throws {@link ImgkitError} `INVALID_ARGUMENT`.
   */
  check?(path: string): void;

  /**
   * Does it. A failure with a retryable code (such as `UNAVAILABLE` for a lost connection) is tried again with the same token; after a crash
   * of this program it is called again too, so it has to find what it had begun.
   *
   * @throws {@link ImgkitError} `OPERATION_FAILED` when the guest reports a failure.
   */
  run(machine: Machine, context: ProvisionContext): Promise<void>;
}
