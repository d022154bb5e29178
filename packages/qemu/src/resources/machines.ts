import type {
  CallOptions,
  ImageUser,
  Instance,
  Json,
  LaunchRequest,
  Operation,
} from '@imgkit/core';

/** A disk of a machine, at rest, to be copied into the store. */
export interface CapturedDisk {
  /** Its id at the provider. */
  readonly id: string;
  readonly boot: boolean;
  /** A qcow2 file whose content doesn't change until the capture is disposed of. */
  readonly path: string;
  /** The size of the disk, in bytes. */
  readonly sizeBytes: number;
  /** The id of the image it was made of, when known. */
  readonly image?: string | undefined;
}

/** Disks of one machine, all as they were at one moment. Disposing of it lets the machine go on with them. */
export interface Capture extends AsyncDisposable {
  /** The id of the instance. */
  readonly instance: string;
  /** The boot disk first. */
  readonly disks: readonly CapturedDisk[];
  /** The size of the machine, in the words of `Instance.machineType`. */
  readonly machineType: string;
  /** All else that is needed to make the machine again, as plain data and without secrets. */
  readonly configuration: Json;
}

/** What may happen to a machine that runs while its disks are captured. */
export interface CaptureOptions extends CallOptions {
  readonly disks: 'all' | 'boot';
  /**
   * `refuse` it with `FAILED_PRECONDITION`, `stop` it first, `flush` the guest if it can be asked and
   * take the disks as they are, `freeze` it for that or refuse, or take them as they are right `now`.
   */
  readonly whenRunning: 'refuse' | 'stop' | 'flush' | 'freeze' | 'now';
}

/** A disk of a machine to be restored: a blob of the store. */
export interface RestoredDisk {
  readonly digest: string;
  readonly boot: boolean;
  /** In bytes. */
  readonly sizeBytes: number;
}

/** What the store's side of the provider asks of machines. */
export interface Machines {
  /**
   * Captures the disks of an instance of this project.
   *
   * @throws `NOT_FOUND`, or `FAILED_PRECONDITION` if it runs and that is refused.
   */
  capture(instance: string, options: CaptureOptions): Promise<Capture>;

  /**
   * Captures one disk as it is right now, if a machine has it: its own, or one attached to it.
   * Gives nothing for a disk that no machine has.
   */
  captureDisk(disk: string, options?: CallOptions): Promise<Capture | undefined>;

  /** The ids of the instances of this project, running or not, that the disk is attached to. */
  attachedTo(disk: string, options?: CallOptions): Promise<readonly string[]>;

  /**
   * Launches a machine of the disks and the configuration of a capture; what the request gives
   * overrides the configuration.
   */
  restore(
    request: Omit<Partial<LaunchRequest>, 'boot' | 'name' | 'warmStart'> & {
      readonly name: string;
    },
    disks: readonly RestoredDisk[],
    configuration: Json,
    options?: CallOptions,
  ): Operation<Instance>;
}

/** Something that can use images: instances, fleets. */
export interface ImageUsers {
  /** Who of all projects of the store uses the image. */
  usersOf(image: string, options?: CallOptions): Promise<readonly ImageUser[]>;
}
