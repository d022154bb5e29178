import { Bell } from './bell.ts';
import type { Logger } from '../logger.ts';
import type { Clock } from './clock.ts';
import type { NewEvent } from './event-table.ts';
import { LeaseLost } from './journal.ts';
import type { Journal } from './journal.ts';
import type { ResourceRemover } from './resource.ts';
import { RunExecution } from './run-execution.ts';
import type { Lease, RunRow } from './run-table.ts';
import type { AnyWorkflow, ConcurrencyLimit, RetryPolicy } from './workflow.ts';

/** What an {@link Executor} is set up with. */
export interface ExecutorSettings {
  readonly remover: ResourceRemover;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly retry: RetryPolicy;
  readonly settleMs: number;
  readonly graceMs: number;
}

/** How often it looks for what other processes wrote, in milliseconds. */
export const pollMs = 150;
/** How often it says that it is alive, in milliseconds. */
const heartbeatMs = 5000;
/** Events are written in batches: after so many milliseconds, */
const flushMs = 50;
/** or so many events. */
const flushCount = 64;

/** The runs at work in this process: it writes for them, watches for what others ask of them, and halts them when their lease is lost. */
export class Executor {
  readonly journal: Journal;
  readonly settings: ExecutorSettings;
  /** Rings when something may have changed. */
  readonly bell = new Bell();
  readonly #active = new Map<string, RunExecution>();
  readonly #pending = new Map<string, { readonly lease: Lease; readonly events: NewEvent[] }>();
  readonly #turnstiles = new Map<string, Promise<void>>();
  readonly #watch: NodeJS.Timeout;
  #flushTimer: NodeJS.Timeout | undefined;
  #version: number;
  #beatAt = Date.now();

  constructor(journal: Journal, settings: ExecutorSettings) {
    this.journal = journal;
    this.settings = settings;
    this.#version = journal.database.version();
    this.#watch = setInterval(() => this.#look(), pollMs);
    this.#watch.unref();
  }

  get id(): string {
    return this.journal.executors.id;
  }

  /** The run, if it is at work here. */
  active(id: string): RunExecution | undefined {
    return this.#active.get(id);
  }

  /** The roots at work here. */
  roots(): readonly RunExecution[] {
    return [...this.#active.values()].filter((execution) => execution.parent === undefined);
  }

  /** Sets a run to work. Without its workflow, only its end can be carried out: a cancellation or the rest of a clean-up. */
  launch(row: RunRow, lease: Lease, workflow?: AnyWorkflow, parent?: RunExecution): RunExecution {
    const execution = new RunExecution(this, row, lease, workflow, parent);
    this.#active.set(row.id, execution);
    this.#watch.ref();
    void execution.start().finally(() => {
      if (this.#active.get(row.id) === execution) this.#active.delete(row.id);
      if (execution.fault !== undefined && parent === undefined) this.#give(execution);
      if (this.#active.size === 0) this.#watch.unref();
      this.bell.ring();
    });
    return execution;
  }

  /**
   * Writes to the journal as the holder of `lease`, together with the events that wait.
   *
   * @throws {@link LeaseLost} when that can't be; the root with all its children is then halted.
   */
  write<T>(lease: Lease, work: () => T): T {
    try {
      const result = this.journal.write(lease, () => {
        const value = work();
        const pending = this.#pending.get(lease.root);
        this.#pending.delete(lease.root);
        if (pending !== undefined) this.journal.events.append(lease.root, pending.events);
        return value;
      });
      this.bell.ring();
      return result;
    } catch (error) {
      this.#halt(lease.root, error instanceof LeaseLost ? undefined : error);
      throw error instanceof LeaseLost ? error : new LeaseLost(undefined, { cause: error });
    }
  }

  /** Tells an event, to be written with the next write or a moment later. */
  emit(lease: Lease, event: NewEvent): void {
    let pending = this.#pending.get(lease.root);
    if (pending === undefined) this.#pending.set(lease.root, (pending = { lease, events: [] }));
    pending.events.push(event);
    if (pending.events.length >= flushCount) this.#flushRoot(lease);
    else this.#flushTimer ??= setTimeout(() => this.flush(), flushMs);
  }

  /** Writes the events that wait. */
  flush(): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    for (const { lease } of this.#pending.values()) this.#flushRoot(lease);
  }

  /** Resolves when the run has got a place of its limit; who came first is served first. */
  async takePlace(execution: RunExecution): Promise<void> {
    const { limit } = execution.row;
    if (limit === undefined) return;
    const before = this.#turnstiles.get(limit.key) ?? Promise.resolve();
    const turn = this.#waitForPlace(before, execution, limit);
    this.#turnstiles.set(
      limit.key,
      turn.catch(() => undefined),
    );
    await Promise.race([turn, execution.aborted]);
  }

  /** Stops everything where it is, as a crash would, except that live objects are disposed of and the runs are free for others at once. */
  async close(): Promise<void> {
    clearInterval(this.#watch);
    const executions = [...this.#active.values()];
    this.flush();
    for (const execution of executions) execution.halt();
    await Promise.all(executions.map((execution) => execution.done));
    if (!this.journal.database.isOpen) return;
    this.journal.database.transaction(() => {
      for (const { lease } of executions) this.journal.runs.release(lease);
      this.journal.executors.leave();
    });
    this.journal.database.close();
  }

  /** What a `kill -9` does: nothing more is written, nothing is freed. For tests. */
  abandon(): void {
    clearInterval(this.#watch);
    clearTimeout(this.#flushTimer);
    this.journal.database.close();
    for (const execution of this.#active.values()) execution.halt();
  }

  async #waitForPlace(before: Promise<void>, execution: RunExecution, limit: ConcurrencyLimit) {
    await before;
    while (!execution.signal.aborted && !this.#tryPlace(execution, limit)) {
      await this.bell.wait(pollMs, execution.signal);
    }
  }

  #tryPlace(execution: RunExecution, { max, key }: ConcurrencyLimit): boolean {
    const { runs, executors } = this.journal;
    return this.write(execution.lease, () => {
      const alive = new Map<string, boolean>();
      let taken = 0;
      for (const holder of runs.placeHolders(key)) {
        if (holder === undefined) continue;
        if (!alive.has(holder)) alive.set(holder, executors.isAlive(holder));
        if (alive.get(holder) === true) taken += 1;
      }
      if (taken >= max) return false;
      runs.setState(execution.row.id, 'RUNNING', this.settings.clock.now());
      return true;
    });
  }

  #flushRoot(lease: Lease): void {
    try {
      this.write(lease, () => undefined);
    } catch (error) {
      // The run was halted, and its news with it.
      if (!(error instanceof LeaseLost)) throw error;
    }
  }

  #halt(root: string, fault: unknown): void {
    this.#pending.delete(root);
    for (const execution of this.#active.values()) {
      if (execution.row.root === root) execution.halt(fault);
    }
  }

  /** Lets others have a run that this process could not go on with, for example because its disk is full. */
  #give({ lease, fault, row }: RunExecution): void {
    const { logger } = this.settings;
    logger.error('the run can not go on here', { run: row.id, error: fault });
    try {
      this.journal.database.transaction(() => this.journal.runs.release(lease));
    } catch (error) {
      logger.warn('the run stays with this process', { run: row.id, error });
    }
  }

  /** Looks for what other processes wrote, and says that this one is alive. */
  #look(): void {
    try {
      if (Date.now() - this.#beatAt >= heartbeatMs) {
        this.#beatAt = Date.now();
        this.journal.database.transaction(() => this.journal.executors.beat());
      }
      const version = this.journal.database.version();
      if (version === this.#version) return;
      this.#version = version;
      for (const { id, reason } of this.journal.runs.cancelRequests()) {
        this.#active.get(id)?.cancel(reason);
      }
      this.bell.ring();
    } catch (error) {
      // It is read the next time; a write that must not fail halts its run.
      this.settings.logger.warn('the journal can not be read', { error });
    }
  }
}
