/** What a real image is made of. Links are those of the emulator's resources: `projects/p/global/images/i`. */
export type HardwareImageSource =
  | { readonly kind: 'image'; readonly link: string }
  | { readonly kind: 'disk'; readonly link: string }
  | { readonly kind: 'snapshot'; readonly link: string }
  /** An uploaded archive, as a file of this machine: a gzipped tar file with a `disk.raw`. */
  | { readonly kind: 'archive'; readonly path: string };

/** What a real disk is made of. */
export type HardwareDiskSource =
  | { readonly kind: 'empty' }
  | { readonly kind: 'image'; readonly link: string }
  | { readonly kind: 'snapshot'; readonly link: string };

/** A machine to be launched. */
export interface HardwareMachine {
  /** The links of its disks, the boot disk first. They stand before it and outlive it. */
  readonly disks: readonly string[];
  readonly cpus: number;
  readonly memoryMb: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Whether it is reached from outside. */
  readonly external: boolean;
}

/** How a machine that runs is reached. */
export interface HardwareAddress {
  /** The address where its port 22 answers; undefined when it has none. */
  readonly natIp: string | undefined;
}

/** The real things behind the resources of a control plane. Without hardware, resources are only said to exist. */
export interface Hardware {
  /** Captures an image; resolves when it can be used. */
  createImage(link: string, source: HardwareImageSource): Promise<{ readonly sizeBytes: number }>;
  /** Deletes what stands behind an image. Deleting what is gone succeeds. */
  deleteImage(link: string): Promise<void>;

  /** Makes a disk; resolves when it can be used. */
  createDisk(link: string, source: HardwareDiskSource, sizeBytes: number): Promise<void>;
  /** Deletes a disk. Deleting what is gone succeeds. */
  deleteDisk(link: string): Promise<void>;
  /** Takes a snapshot of a disk, also of one in use. */
  createSnapshot(link: string, disk: string): Promise<void>;
  /** Deletes a snapshot. Deleting what is gone succeeds. */
  deleteSnapshot(link: string): Promise<void>;
  /** Launches a machine; resolves when it runs. */
  createInstance(link: string, machine: HardwareMachine): Promise<HardwareAddress>;
  /** Starts a stopped machine. */
  startInstance(link: string): Promise<HardwareAddress>;
  /**
   * Stops a machine.
   *
   * @param graceful - asks the guest first.
   */
  stopInstance(link: string, graceful: boolean): Promise<void>;
  /** Deletes a machine, and not its disks. Deleting what is gone succeeds. */
  deleteInstance(link: string): Promise<void>;
  /** Everything it printed on its serial port, as far as it is kept. */
  console(link: string): Promise<string>;
  /** The SSH host keys it is known to have, as lines in OpenSSH's format. */
  hostKeys(link: string): Promise<readonly string[]>;
}
