import type { AuthorizedKey } from '@imgkit/core';

/** What a real image is made of. Links are those of the emulator's resources: `projects/p/global/images/i`. */
export type HardwareImageSource =
  | { readonly kind: 'image'; readonly link: string }
  | { readonly kind: 'disk'; readonly link: string }
  | { readonly kind: 'snapshot'; readonly link: string }
  /** An uploaded archive, as a file of this machine: a gzipped tar file with a `disk.raw`. */
  | { readonly kind: 'archive'; readonly path: string }
  /** A disk file of this machine, in a format that the provider reads. */
  | { readonly kind: 'file'; readonly path: string };

/** A real image. */
export interface HardwareImage {
  /** What it takes in the store. */
  readonly sizeBytes: number;
  /** The size of the disks that it gives. */
  readonly diskSizeBytes: number;
}

/** What a real disk is made of. */
export type HardwareDiskSource =
  | { readonly kind: 'empty' }
  | { readonly kind: 'image'; readonly link: string }
  | { readonly kind: 'snapshot'; readonly link: string }
  /** Another disk, also one in use. */
  | { readonly kind: 'disk'; readonly link: string };

/** A machine to be launched. */
export interface HardwareMachine {
  /** The links of its disks, the boot disk first. They stand before it and outlive it. */
  readonly disks: readonly string[];
  readonly cpus: number;
  readonly memoryMb: number;
  /** Who may log in. */
  readonly authorizedKeys: readonly AuthorizedKey[];
  readonly startupScript?: string | undefined;
  /** User data for cloud-init. */
  readonly userData?: string | undefined;
  /** What else its guest is told. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Whether scripts can be run in its guest; see {@link Hardware.run}. */
  readonly commands?: boolean | undefined;
  /** Whether it has an address for the outside. */
  readonly external: boolean;
}

/** How a machine that runs is reached. */
export interface HardwareAddress {
  /** The address where its port 22 answers; undefined when it has none. */
  readonly natIp: string | undefined;
}

/** What a script in a guest gave. */
export interface HardwareOutput {
  readonly stdout: string;
  readonly stderr: string;
}

/** The real things behind the resources of a control plane. Without hardware, resources are only said to exist. */
export interface Hardware {
  /** Captures an image; resolves when it can be used. */
  readonly createImage: (link: string, source: HardwareImageSource) => Promise<HardwareImage>;
  /** Deletes what stands behind an image. Deleting what is gone succeeds. */
  readonly deleteImage: (link: string) => Promise<void>;

  /** Makes a disk; resolves when it can be used. */
  readonly createDisk: (
    link: string,
    source: HardwareDiskSource,
    sizeBytes: number,
  ) => Promise<void>;
  /** Deletes a disk. Deleting what is gone succeeds. */
  readonly deleteDisk: (link: string) => Promise<void>;
  /** Takes a snapshot of a disk, also of one in use. */
  readonly createSnapshot: (link: string, disk: string) => Promise<void>;
  /** Deletes a snapshot. Deleting what is gone succeeds. */
  readonly deleteSnapshot: (link: string) => Promise<void>;
  /** Launches a machine; resolves when it runs. */
  readonly createInstance: (link: string, machine: HardwareMachine) => Promise<HardwareAddress>;
  /** Starts a stopped machine. */
  readonly startInstance: (link: string, external: boolean) => Promise<HardwareAddress>;
  /**
   * Stops a machine.
   *
   * @param graceful - asks the guest first.
   */
  readonly stopInstance: (link: string, graceful: boolean) => Promise<void>;
  /** Deletes a machine, and not its disks. Deleting what is gone succeeds. */
  readonly deleteInstance: (link: string) => Promise<void>;
  /** Whether a machine runs: its guest may have powered it off. */
  readonly isRunning: (link: string) => Promise<boolean>;
  /** Runs a script in the guest of a machine that runs, as root. */
  readonly run: (link: string, script: string) => Promise<HardwareOutput>;
  /** Everything it printed on its serial port, as far as it is kept. */
  readonly console: (link: string) => Promise<string>;
  /** The SSH host keys it is known to have, as lines in OpenSSH's format. */
  readonly hostKeys: (link: string) => Promise<readonly string[]>;
}
