import type { CallOptions } from '../call-options.ts';
import type { ImageRef } from '../ref.ts';
import type { Labels } from '../labels.ts';
import type { Operation } from '../operation.ts';
import type { MachineTemplate } from './instances.ts';

/** What of rolling out the provider can do. */
export interface FleetsTraits {
  /** Whether a rollout can go to part of the fleet first. */
  readonly canary: boolean;
  /** Whether a rollout can be paused. */
  readonly pause: boolean;
  /** Whether more machines than the size may stand during a rollout. */
  readonly surge: boolean;
}

/** One template a fleet has machines of. */
export interface FleetVersion {
  /** The image its machines boot from. */
  readonly image: ImageRef;
  /** How many machines there are of it. */
  readonly instances: number;
  /** Whether it is what the rollout goes to. */
  readonly target: boolean;
}

/** Machines of one template. */
export interface Fleet {
  readonly id: string;
  readonly name: string;
  /** How many machines it shall have. */
  readonly size: number;
  /** When it was created, as an ISO 8601 instant. */
  readonly createdAt: string;
  readonly labels: Labels;
  /** What its machines are of; one in a stable fleet without a canary. */
  readonly versions: readonly FleetVersion[];
  /** The ids of its instances. */
  readonly instances: readonly string[];
  /** `STABLE`: all as wanted; `ROLLING`: a rollout goes on; `PAUSED`: it waits; `FAILED`: it stopped. */
  readonly status: 'STABLE' | 'ROLLING' | 'PAUSED' | 'FAILED' | 'DELETING';
  readonly native?: unknown;
}

/** A new fleet. */
export interface CreateFleetRequest {
  readonly name: string;
  /** How many machines; 0 is allowed. */
  readonly size: number;
  readonly template: MachineTemplate;
  readonly labels?: Labels | undefined;
  /** Two creates with the same key give one fleet. */
  readonly idempotencyKey?: string | undefined;
  readonly providerOptions?: Readonly<Record<string, unknown>> | undefined;
}

/** A new template for a fleet, and how to go there. */
export interface RolloutRequest {
  /** The id of the fleet. */
  readonly fleet: string;
  readonly template: MachineTemplate;
  /** How many machines above the size may stand meanwhile; 1 by default. */
  readonly maxSurge?: number | undefined;
  /** How many machines below the size may be missing meanwhile; 0 by default. Not both may be 0. */
  readonly maxUnavailable?: number | undefined;
  /** Replaces only so many machines, and leaves the others until a rollout without it. */
  readonly canary?: number | undefined;
  readonly providerOptions?: Readonly<Record<string, unknown>> | undefined;
}

/** Groups of machines of one template. */
export interface Fleets {
  /** What of rolling out can be done here. */
  readonly traits: FleetsTraits;
  /** @throws {@link ImgkitError} with `NOT_FOUND`. */
  get(id: string, options?: CallOptions): Promise<Fleet>;
  /** Lists the fleets of the provider's project, page by page. */
  list(
    filter?: { readonly name?: string | undefined; readonly labels?: Labels | undefined },
    options?: CallOptions,
  ): AsyncIterable<Fleet>;
  /**
   * Makes a fleet, and is done when all its machines RUN.
   *
   * @throws {@link ImgkitError} with `INVALID_ARGUMENT`, `ALREADY_EXISTS`, `NOT_FOUND` for the image,
   *   `IMAGE_OBSOLETE` or `IMAGE_DELETED`, `QUOTA_EXCEEDED`.
   */
  create(request: CreateFleetRequest, options?: CallOptions): Operation<Fleet>;
  /** Changes the size of a fleet. */
  resize(id: string, size: number, options?: CallOptions): Operation<Fleet>;
  /**
   * Replaces the machines by ones of a new template, batch by batch: an old machine goes only when
   * its replacement RUNs, as far as the bounds say. Done when the fleet is STABLE. Machines that are
   * already of the template stay.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND`, `INVALID_ARGUMENT` for bounds that allow no progress,
   *   `FAILED_PRECONDITION` while another rollout goes on, `OPERATION_FAILED` if machines don't come up.
   */
  rollOut(request: RolloutRequest, options?: CallOptions): Operation<Fleet>;
  /** Pauses a rollout after the machine it is at. There only when the trait says so. */
  pause?(id: string, options?: CallOptions): Promise<Fleet>;
  /** Goes on with a paused rollout. There only when the trait says so. */
  unpause?(id: string, options?: CallOptions): Operation<Fleet>;
  /** Rolls out the template before the last one again. */
  rollBack(id: string, options?: CallOptions): Operation<Fleet>;
  /** Deletes a fleet and its machines. Deleting what is gone succeeds. */
  delete(id: string, options?: CallOptions): Operation<void>;
}
