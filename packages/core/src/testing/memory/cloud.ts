import { randomUUID } from 'node:crypto';
import { systemClock, type Clock } from '../../engine/clock.ts';
import type { OwnedKind } from '../../spec/capabilities/owned.ts';
import type { Labels } from '../../spec/labels.ts';
import { FaultPlan, type Faults } from './faults.ts';
import type { MemoryGuestFactory } from './guest.ts';
import { Job, type JobPlan } from './job.ts';
import type {
  DiskRow,
  FleetRow,
  GrantBook,
  ImageRow,
  InstanceRow,
  MachineImageRow,
  SnapshotRow,
  WarmStartRow,
} from './records.ts';
import { Table } from './table.ts';
import { memoryTraits, type MemoryTraitChoices, type MemoryTraits } from './traits.ts';

/** What a memory cloud is like. Everything has a default. */
export interface MemoryCloudOptions {
  /** The time, and the passing of it; the machine's own clock by default. */
  readonly clock?: Clock | undefined;
  /** How long the cloud works on something, in milliseconds, by operation if wanted; 0 by default. */
  readonly workMs?: number | ((operation: string) => number) | undefined;
  /** How many resources the cloud gives on a page when it isn't asked for a number; 100 by default. */
  readonly pageSize?: number | undefined;
  /** How it differs from the usual: a trait that is chosen is also kept. */
  readonly traits?: MemoryTraitChoices | undefined;
  /** The software in its machines; machines stand empty by default. */
  readonly guest?: MemoryGuestFactory | undefined;
  /** How many resources of a kind a project may have; 1,000 by default. */
  readonly quotas?: Readonly<Partial<Record<OwnedKind, number>>> | undefined;
}

/** One request that a memory cloud has got. */
export interface MemoryCall {
  /** The name of the provider that asked. */
  readonly provider: string;
  /** The project it works in. */
  readonly project: string;
  /** What it asked for: `images.create`; each page of a listing is a request. */
  readonly operation: string;
  /** What it was about: an id or a name. */
  readonly resource: string | undefined;
}

/** Something that stands in a memory cloud, in any project and state. */
export interface MemoryResource {
  readonly kind: OwnedKind;
  readonly id: string;
  readonly name: string;
  readonly project: string;
  readonly status: string;
  readonly labels: Labels;
}

/**
 * A cloud in memory. It outlives its providers: whoever makes a new provider on it finds what an
 * earlier one left, also work that is still going on, as after a crash of a program.
 */
export interface MemoryCloud {
  /** Its time. */
  readonly clock: Clock;
  /** Makes its calls fail, take long, or wait. */
  readonly faults: Faults;
  /** The requests it got, in order. */
  readonly calls: readonly MemoryCall[];
  /** How many requests of one operation it got. */
  count(operation: string): number;
  /** Everything that stands in it, also what belongs to an instance or a fleet. */
  inventory(): readonly MemoryResource[];
}

/** The whole state of a memory cloud. */
export class CloudState implements MemoryCloud {
  readonly clock: Clock;
  readonly faults: FaultPlan;
  readonly calls: MemoryCall[] = [];
  readonly traits: MemoryTraits;
  readonly pageSize: number;
  readonly guest: MemoryGuestFactory | undefined;
  readonly images = new Table<ImageRow>();
  readonly disks = new Table<DiskRow>();
  readonly snapshots = new Table<SnapshotRow>();
  readonly instances = new Table<InstanceRow>();
  readonly machineImages = new Table<MachineImageRow>();
  readonly fleets = new Table<FleetRow>();
  readonly warmStarts = new Map<string, WarmStartRow>();
  readonly grants: GrantBook = new Map();
  readonly jobs = new Map<string, Job>();
  readonly id = randomUUID();
  readonly #workMs: number | ((operation: string) => number);
  readonly #quotas: Readonly<Partial<Record<OwnedKind, number>>>;
  #sequence = 0;
  #lastStamp = 0;
  #changed = Promise.withResolvers<void>();

  constructor(options: MemoryCloudOptions = {}) {
    this.clock = options.clock ?? systemClock();
    this.faults = new FaultPlan(this.clock);
    this.traits = memoryTraits(options.traits);
    this.pageSize = options.pageSize ?? 100;
    this.guest = options.guest;
    this.#workMs = options.workMs ?? 0;
    this.#quotas = options.quotas ?? {};
  }

  count(operation: string): number {
    return this.calls.filter((call) => call.operation === operation).length;
  }

  inventory(): readonly MemoryResource[] {
    return [...this.tables()].flatMap(([kind, table]) =>
      table.all().map(({ id, name, project, status, labels }) => ({
        kind,
        id,
        name,
        project,
        status,
        labels,
      })),
    );
  }

  /** Every table, in the order in which what is in it is removed. */
  *tables() {
    yield ['fleet', this.fleets] as const;
    yield ['instance', this.instances] as const;
    yield ['disk', this.disks] as const;
    yield ['machine-image', this.machineImages] as const;
    yield ['snapshot', this.snapshots] as const;
    yield ['image', this.images] as const;
  }

  /** The next sequence number. */
  next(): number {
    return (this.#sequence += 1);
  }

  /** The time as an ISO 8601 instant, later than every one before, so that what came later is known. */
  stamp(): string {
    this.#lastStamp = Math.max(this.clock.now(), this.#lastStamp + 1);
    return new Date(this.#lastStamp).toISOString();
  }

  quota(kind: OwnedKind): number {
    return this.#quotas[kind] ?? 1000;
  }

  /** Begins some work. */
  begin(project: string, operation: string, plan: JobPlan): Job {
    const { delayMs, error, held } = this.faults.ofJob(operation);
    const token = `memory/${this.id}/${project}/${operation}/${this.next()}`;
    const partMs = typeof this.#workMs === 'number' ? this.#workMs : this.#workMs(operation);
    const timing = { now: this.clock.now(), partMs, delayMs, failure: error };
    const job = new Job({ token, project, operation }, plan, timing);
    if (held !== undefined) {
      job.paused = true;
      void this.#unpause(job, held);
    }
    this.jobs.set(token, job);
    return job;
  }

  async #unpause(job: Job, held: Promise<void>): Promise<void> {
    await held;
    job.paused = false;
    this.notify();
  }

  /** Does all that is due by now: what a cloud would have done by itself in the meantime. */
  settle(): void {
    const now = this.clock.now();
    for (const job of this.jobs.values()) if (job.advance(now)) this.notify();
    if (this.traits.deprecation.carriesOutDates) this.#carryOutDates(now);
  }

  /** Resolves at the next change of any job. */
  changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** Wakes all who wait for a change. */
  notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  #carryOutDates(now: number): void {
    const due = (date: string | undefined): boolean =>
      date !== undefined && Date.parse(date) <= now;
    for (const image of this.images.all()) {
      const { dates, state } = image.deprecation;
      const reached = due(dates?.deleted)
        ? 'DELETED'
        : due(dates?.obsolete)
          ? 'OBSOLETE'
          : due(dates?.deprecated)
            ? 'DEPRECATED'
            : state;
      image.deprecation = { ...image.deprecation, state: reached };
    }
  }
}

/**
 * Makes an empty cloud in memory.
 *
 * @example
 * ```ts
 * import { createMemoryProvider, memoryCloud } from '@imgkit/core/testing';
 *
 * const cloud = memoryCloud({ workMs: 50 });
 * const provider = createMemoryProvider({ cloud, project: 'team-a' });
 * await provider.disks.create({ name: 'data-1', sizeBytes: 1_048_576 });
 * console.log(cloud.inventory().length, cloud.count('disks.create'));
 * ```
 */
export function memoryCloud(options: MemoryCloudOptions = {}): MemoryCloud {
  return new CloudState(options);
}
