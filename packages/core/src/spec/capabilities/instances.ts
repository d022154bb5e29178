import type { CallOptions } from '../call-options.ts';
import type { Labels } from '../labels.ts';
import type { Operation } from '../operation.ts';
import type { ImageRef } from '../ref.ts';
import type { NameRule } from './images.ts';

/** Whether a machine runs. */
export type InstanceStatus = 'PENDING' | 'RUNNING' | 'STOPPING' | 'STOPPED' | 'FAILED' | 'DELETING';

/** A disk of an instance. */
export interface AttachedDisk {
  /** Its id at the provider. */
  readonly id: string;
  /** Whether the machine boots from it. */
  readonly boot: boolean;
  /** Its size, in bytes. */
  readonly sizeBytes: number;
  /** Whether it goes when the instance is deleted. */
  readonly deleteWithInstance: boolean;
}

/** One virtual machine. */
export interface Instance {
  readonly id: string;
  readonly name: string;
  readonly status: InstanceStatus;
  /** When it was created, as an ISO 8601 instant. */
  readonly createdAt: string;
  readonly labels: Labels;
  /** The image it was launched from, when the cloud remembers. */
  readonly image?: ImageRef | undefined;
  /** Its size, in the cloud's words. */
  readonly machineType: string;
  readonly disks: readonly AttachedDisk[];
  /** Plain data the guest can read. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Why it isn't RUNNING, when the cloud tells. */
  readonly reason?: string | undefined;
  readonly native?: unknown;
}

/** What a machine boots from: exactly one of these. */
export type BootSource =
  | { readonly kind: 'image'; readonly image: ImageRef }
  | { readonly kind: 'disk'; readonly disk: string }
  | { readonly kind: 'snapshot'; readonly snapshot: string };

/** A further disk of a new machine: an existing one, or a new empty one. */
export type ExtraDisk =
  | { readonly disk: string }
  | { readonly sizeBytes: number; readonly deleteWithInstance?: boolean | undefined };

/** A public key that may log in. */
export interface AuthorizedKey {
  /** The guest's user. */
  readonly user: string;
  /** The key as one line in OpenSSH's format: `ssh-ed25519 AAAA…`. */
  readonly publicKey: string;
}

/** The identity the guest's SSH server shall have, so that the first connection can be checked. */
export interface HostKey {
  /** The private key in OpenSSH's format. A secret. */
  readonly privateKey: string;
  /** The public key as one line in OpenSSH's format. */
  readonly publicKey: string;
}

/** What a machine is made of, the same for one machine and for each of a fleet. */
export interface MachineTemplate {
  /** What it boots from. */
  readonly boot: BootSource;
  /** Its size: the cloud's word for one, or what it shall have at least. The provider's default otherwise. */
  readonly machineType?:
    | string
    | { readonly cpus: number; readonly memoryBytes: number }
    | undefined;
  /** The size of the boot disk, in bytes; the image's by default, and never smaller. */
  readonly bootDiskSizeBytes?: number | undefined;
  readonly disks?: readonly ExtraDisk[] | undefined;
  readonly labels?: Labels | undefined;
  /** Plain data the guest can read. Not for secrets. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Who may log in over SSH. */
  readonly authorizedKeys?: readonly AuthorizedKey[] | undefined;
  /** A script that the guest runs once, at its first boot. */
  readonly startupScript?: string | undefined;
  /** Cloud-init user data, used as it is; can't be given together with `startupScript`. */
  readonly userData?: string | undefined;
  /** TCP ports, beside 22, that shall be reachable from here. */
  readonly ports?: readonly number[] | undefined;
  readonly providerOptions?: Readonly<Record<string, unknown>> | undefined;
}

/** A new machine. */
export interface LaunchRequest extends MachineTemplate {
  /** Its name, by the rule in the traits. */
  readonly name: string;
  /** The SSH host key it shall have. Only when `traits.hostKeyInjection` is true. */
  readonly hostKey?: HostKey | undefined;
  /** Says that the machine is thrown away when something fails, so that its disks may be fast rather than safe. */
  readonly ephemeral?: boolean | undefined;
  /** When the machine may remove itself, as an ISO 8601 instant: the dead man's switch, where the cloud has one. */
  readonly expiresAt?: string | undefined;
  /** The key of a warm start to resume instead of booting; booted as usual when there is none. See {@link WarmStarts}. */
  readonly warmStart?: string | undefined;
  /** Two launches with the same key give one machine. */
  readonly idempotencyKey?: string | undefined;
}

/** Where a guest's port is reached from here. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /** The public host keys the guest is known to have, in OpenSSH's format; none when the provider can't tell. */
  readonly hostKeys: readonly string[];
}

/** How the instances of this provider differ from others'. */
export interface InstancesTraits {
  /** What an instance may be called. */
  readonly instanceName: NameRule;
  /**
   * Whether stopping a machine from inside and starting it again takes no longer than a reboot, and
   * keeps its disks, its identity and its endpoint.
   */
  readonly fastRestart: boolean;
  /** Whether `LaunchRequest.hostKey` is honoured. */
  readonly hostKeyInjection: boolean;
  /** Whether `console` gives what the guest prints. */
  readonly console: boolean;
  /** Whether the cloud itself removes a machine at its `expiresAt`. */
  readonly selfDestruct: boolean;
  /** The user whom `authorizedKeys` may name in any Linux image. */
  readonly defaultUser: string;
  /**
   * What else a guest has to do, as root, before an image for other machines is made of its disk: a shell script that
   * also succeeds where there is nothing to do. Nothing where the cloud wants nothing.
   */
  readonly sealScript?: string | undefined;
}

/** Virtual machines. */
export interface Instances {
  /** How they differ from others'. */
  readonly traits: InstancesTraits;

  /** @throws {@link ImgkitError} with `NOT_FOUND`. */
  get(id: string, options?: CallOptions): Promise<Instance>;

  /** Lists the instances of the provider's project, page by page. */
  list(
    filter?: { readonly name?: string | undefined; readonly labels?: Labels | undefined },
    options?: CallOptions,
  ): AsyncIterable<Instance>;

  /**
   * Starts a new machine, and is done when the cloud says that it RUNs; the guest may still be
   * booting. Aborting leaves nothing behind, or rejects with `PENDING` and a token.
   *
   * @throws {@link ImgkitError} with `INVALID_ARGUMENT` before anything is created, `ALREADY_EXISTS`,
   *   `NOT_FOUND` for what it boots from, `IMAGE_OBSOLETE` or `IMAGE_DELETED`, `QUOTA_EXCEEDED`,
   *   `FAILED_PRECONDITION` if the provider lacks what it needs, `OPERATION_FAILED` with the reason.
   */
  launch(request: LaunchRequest, options?: CallOptions): Operation<Instance>;

  /**
   * Starts a stopped machine. Starting a running one succeeds.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND`.
   */
  start(id: string, options?: CallOptions): Operation<Instance>;

  /**
   * Stops a machine: asks the guest, and pulls the plug after `graceMs` (90,000 by default; 0 pulls
   * it at once). Stopping a stopped one succeeds.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND`.
   */
  stop(
    id: string,
    options?: CallOptions & { readonly graceMs?: number | undefined },
  ): Operation<Instance>;

  /** Deletes a machine and the disks that go with it, running or not. Deleting what is gone succeeds. */
  delete(id: string, options?: CallOptions): Operation<void>;

  /**
   * Gives the end of what the guest printed on its console.
   *
   * @param options - `maxBytes`: how much of it, 65,536 by default.
   * @throws {@link ImgkitError} with `NOT_FOUND`, or `UNSUPPORTED` where the trait says so.
   */
  console(
    id: string,
    options?: CallOptions & { readonly maxBytes?: number | undefined },
  ): Promise<string>;

  /**
   * Tells where a TCP port of the guest is reached from here.
   *
   * @param port - The guest's port; 22 by default.
   * @throws {@link ImgkitError} with `NOT_FOUND`, or `FAILED_PRECONDITION` if it isn't running or the port wasn't asked for.
   */
  endpoint(id: string, port?: number, options?: CallOptions): Promise<Endpoint>;
}
