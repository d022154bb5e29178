import type { Architecture, Deprecation, ImageOrigin, ImageStatus } from '../../spec/image.ts';
import type { Grant } from '../../spec/capabilities/sharing.ts';
import type {
  InstanceStatus,
  LaunchRequest,
  MachineTemplate,
} from '../../spec/capabilities/instances.ts';
import type { ResourceStatus } from '../../spec/capabilities/disks.ts';
import type { MemoryGuest } from './guest.ts';
import type { Content } from './content.ts';
import type { Job } from './job.ts';
import type { Row } from './table.ts';

/** An image in the cloud's books. */
export interface ImageRow extends Row {
  status: ImageStatus;
  family: string | undefined;
  version: string | undefined;
  published: boolean;
  publishedAt: string | undefined;
  /** Its replacement's provider is the empty text when it is an image of this cloud. */
  deprecation: Deprecation;
  description: string | undefined;
  readonly architecture: Architecture | undefined;
  readonly origin: ImageOrigin;
  /** The image it comes from in the end, when it comes from one. */
  readonly parent: string | undefined;
  readonly content: Content;
}

/** A disk in the cloud's books. */
export interface DiskRow extends Row {
  status: ResourceStatus;
  readonly image: string | undefined;
  content: Content;
}

/** A snapshot in the cloud's books. */
export interface SnapshotRow extends Row {
  status: ResourceStatus;
  readonly disk: string;
  readonly image: string | undefined;
  readonly content: Content;
}

/** A disk of an instance in the cloud's books. */
export interface Attachment {
  readonly disk: string;
  readonly boot: boolean;
  readonly deleteWithInstance: boolean;
}

/** An instance in the cloud's books. */
export interface InstanceRow extends Row {
  status: InstanceStatus;
  readonly image: string | undefined;
  readonly machineType: string;
  readonly disks: readonly Attachment[];
  readonly request: LaunchRequest;
  /** The fleet it belongs to. */
  readonly fleet: string | undefined;
  /** The hosts' ports of the guest's ports. */
  readonly ports: ReadonlyMap<number, number>;
  console: string;
  reason: string | undefined;
  guest: Promise<MemoryGuest> | undefined;
  /** Which boot the guest is of. */
  bootId: string | undefined;
}

/** A machine image in the cloud's books. */
export interface MachineImageRow extends Row {
  status: ResourceStatus;
  readonly instance: string;
  readonly image: string | undefined;
  readonly machineType: string;
  readonly disks: readonly {
    readonly boot: boolean;
    readonly deleteWithInstance: boolean;
    readonly content: Content;
  }[];
  readonly request: LaunchRequest;
}

/** A fleet in the cloud's books. */
export interface FleetRow extends Row {
  status: 'STABLE' | 'ROLLING' | 'PAUSED' | 'FAILED' | 'DELETING';
  size: number;
  /** Every template it had, the last one the one its rollout goes to. */
  templates: readonly MachineTemplate[];
  /** The template each of its instances is of, by the instance's id. */
  readonly members: Map<string, MachineTemplate>;
  rollout: Job | undefined;
}

/** A saved machine. */
export interface WarmStartRow {
  readonly image: string | undefined;
  readonly content: Content;
}

/** Grants by what is shared: see `sharedKey`. */
export type GrantBook = Map<string, Grant[]>;
