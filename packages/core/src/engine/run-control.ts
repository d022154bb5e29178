import type { CallOptions } from '../spec/call-options.ts';
import { ImgkitError } from '../spec/errors.ts';
import { cleanupReport, cleanUpTree } from './cleanup.ts';
import type { Clock } from './clock.ts';
import { pollMs } from './executor.ts';
import type { Executor } from './executor.ts';
import { LeaseLost } from './journal.ts';
import type { Journal } from './journal.ts';
import type { CleanupReport, StartOptions } from './port.ts';
import { asImgkitError } from './recorded-error.ts';
import type { RunExecution } from './run-execution.ts';
import { cleanupSuffix, labelValue } from './run-name.ts';
import { isOver } from './run-table.ts';
import type { Lease, NewRun, RunRow } from './run-table.ts';
import { assertWanted, closed, untilDone } from './waiting.ts';
import type { WorkflowRegistry } from './workflow-registry.ts';
import type { AnyWorkflow } from './workflow.ts';

const day = 24 * 60 * 60 * 1000;

/** Decides which process works on which run: starts, takes over, waits, and cleans up. */
export class RunControl {
  readonly executor: Executor;
  readonly #registry: WorkflowRegistry;
  readonly #clock: Clock;
  readonly #cleanups = new Map<string, Promise<CleanupReport>>();
  #closing = false;

  constructor(executor: Executor, registry: WorkflowRegistry) {
    this.executor = executor;
    this.#registry = registry;
    this.#clock = executor.settings.clock;
  }

  get journal(): Journal {
    return this.executor.journal;
  }

  /** Starts, restarts, takes over, or finds the run. */
  async begin(
    workflow: AnyWorkflow,
    input: string | undefined,
    options: StartOptions,
  ): Promise<void> {
    await this.#cleanups.get(options.id)?.catch(() => undefined);
    this.assertOpen();
    const { journal } = this;
    const { id, restart = false, keepOnFailure = false, expiresInMs = day } = options;
    const fresh: NewRun = {
      id,
      root: id,
      parent: undefined,
      parentAttempt: 0,
      workflow: workflow.name,
      protocol: workflow.protocol,
      attempt: 1,
      state: 'RUNNING',
      input,
      label: labelValue(id),
      keepOnFailure,
      expiresInMs,
      limit: undefined,
      executor: undefined,
      generation: 0,
      createdAt: this.#clock.now(),
    };
    const isNew = journal.database.transaction(() => {
      const known = journal.runs.get(id);
      if (known === undefined) {
        journal.runs.insert(fresh);
        return true;
      }
      const again = restart && (known.state === 'FAILED' || known.state === 'CANCELLED');
      assertSameWork(known, fresh, again);
      if (!again) return false;
      if (known.executor !== undefined && journal.executors.isAlive(known.executor)) {
        throw new ImgkitError('FAILED_PRECONDITION', `run "${id}" is being cleaned up`, {
          resource: id,
          hint: 'Start it again when that is done.',
        });
      }
      journal.runs.restart(fresh);
      return true;
    });
    this.goOn(this.need(id), isNew);
  }

  /** Sees to it that somebody works on a root; false when that is another process. */
  goOn(root: RunRow, isNew = false): boolean {
    if (isOver(root.state) || this.executor.active(root.id) !== undefined) return true;
    return this.takeOver(root, isNew) !== undefined;
  }

  /** Makes a root this process's own and sets it to work, unless another living process has it. */
  takeOver(root: RunRow, isNew = false): RunExecution | undefined {
    if (!this.#isFree(root.id)) return undefined;
    const workflow = this.#registry.of(root);
    const lease = this.#claim(root.id);
    const row = this.journal.runs.get(root.id);
    if (lease === undefined || row === undefined) return undefined;
    const type = isNew ? 'run-started' : 'run-resumed';
    this.executor.emit(lease, {
      runId: row.id,
      at: this.#clock.now(),
      step: undefined,
      message: `run "${row.id}" ${isNew ? 'started' : 'resumed'}`,
      body: { type, workflow: row.workflow, attempt: row.attempt },
    });
    return this.executor.launch(row, lease, workflow);
  }

  #claim(root: string): Lease | undefined {
    const { runs, database } = this.journal;
    const executor = this.executor.id;
    if (!this.#isFree(root)) return undefined;
    return database.transaction(() =>
      this.#isFree(root) ? { root, executor, generation: runs.claim(root, executor) } : undefined,
    );
  }

  #isFree(root: string): boolean {
    const { runs, executors } = this.journal;
    const holder = runs.get(root)?.executor;
    return holder === undefined || holder === this.executor.id || !executors.isAlive(holder);
  }

  /** Waits until the run is over, going on with it when nobody else does. */
  async end(
    id: string,
    options: CallOptions,
    goOn: () => RunExecution | undefined,
  ): Promise<RunRow> {
    for (;;) {
      assertWanted(options);
      let execution = this.executor.active(id);
      if (execution === undefined) {
        const row = this.need(id);
        if (isOver(row.state)) return row;
        if (!this.#closing) execution = goOn();
      }
      if (execution === undefined) {
        await this.executor.bell.wait(pollMs, options.signal);
      } else {
        await untilDone(execution.done, options);
        if (execution.final !== undefined) return execution.final;
        if (execution.fault !== undefined) throw asImgkitError(execution.fault, `run "${id}"`);
      }
    }
  }

  /** Cancels a run wherever it is, and waits until it is cleaned up. */
  async cancel(id: string, reason: string, options: CallOptions): Promise<CleanupReport> {
    const { runs, database } = this.journal;
    this.need(id);
    database.transaction(() => runs.requestCancel(id, reason));
    this.executor.active(id)?.cancel(reason);
    const row = await this.end(id, options, () => this.#endAlone(id));
    return row.state === 'CANCELLED' && this.journal.database.isOpen
      ? cleanupReport(runs, id)
      : { removed: [], left: [] };
  }

  /** Carries out the end of a run that was cancelled while nobody worked on it, and of no other. */
  #endAlone(id: string): RunExecution | undefined {
    const row = this.need(id);
    if (row.root === id) return this.takeOver(row);
    // Its parent is at work here and will come to it; taking the tree over would cut that off.
    if (this.executor.active(row.root) !== undefined) return undefined;
    const lease = this.#claim(row.root);
    if (lease === undefined) return undefined;
    const execution = this.executor.launch(this.need(id), lease);
    void execution.done.then(() => {
      if (execution.lost.aborted) return undefined;
      return this.executor.write(lease, () => this.journal.runs.release(lease));
    });
    return execution;
  }

  /** Does the rest of the clean-ups in a root's tree that were cut off. */
  async finishCleanups(root: RunRow): Promise<void> {
    for (const row of this.journal.runs.tree(root)) {
      if (!isOver(row.state) && row.id.endsWith(cleanupSuffix) && row.parent !== undefined) {
        await this.cleanup(row.parent);
      }
    }
  }

  /** Cleans up a run that is over; one clean-up at a time in each tree. */
  async cleanup(id: string): Promise<CleanupReport> {
    const { root } = this.need(id);
    const before = this.#cleanups.get(root);
    const work = (async () => {
      await before?.catch(() => undefined);
      return this.#cleanUp(id);
    })();
    this.#cleanups.set(root, work);
    try {
      return await work;
    } finally {
      if (this.#cleanups.get(root) === work) this.#cleanups.delete(root);
    }
  }

  /** Waits up to `drainMs` milliseconds for the runs to end, then cuts the rest off. */
  async close(drainMs: number): Promise<void> {
    this.#closing = true;
    const drained = new AbortController();
    const work = [...this.executor.roots().map(({ done }) => done), ...this.#cleanups.values()];
    const timer = this.#clock.sleep(drainMs, drained.signal).catch(() => undefined);
    await Promise.race([Promise.allSettled(work), timer]);
    drained.abort();
    await this.executor.close();
  }

  async #cleanUp(id: string): Promise<CleanupReport> {
    const row = this.need(id);
    const { journal } = this;
    if (!isOver(row.state)) {
      throw new ImgkitError('FAILED_PRECONDITION', `run "${id}" is ${row.state}, not over`, {
        resource: id,
        hint: 'Cancel it, which cleans up too.',
      });
    }
    const atWork = this.executor.active(row.root)?.lease;
    const lease = atWork ?? this.#claim(row.root);
    if (lease === undefined) {
      throw new ImgkitError('FAILED_PRECONDITION', `another process works on run "${row.root}"`, {
        resource: id,
      });
    }
    try {
      const report = await cleanUpTree(
        {
          executor: this.executor,
          lease,
          lost: new AbortController().signal,
          write: (work) => this.executor.write(lease, work),
          emit: () => undefined,
        },
        row,
      );
      if (atWork === undefined) this.executor.write(lease, () => journal.runs.release(lease));
      return report;
    } catch (error) {
      if (!(error instanceof LeaseLost)) throw error;
      throw new ImgkitError('FAILED_PRECONDITION', `the clean-up of run "${id}" was cut off`, {
        resource: id,
        cause: error.cause,
      });
    }
  }

  /** @throws {@link ImgkitError} `NOT_FOUND`. */
  need(id: string): RunRow {
    this.assertOpen();
    const row = this.journal.runs.get(id);
    if (row !== undefined) return row;
    throw new ImgkitError('NOT_FOUND', `there is no run "${id}"`, { resource: id });
  }

  assertOpen(): void {
    if (!this.journal.database.isOpen) throw closed();
  }
}

function assertSameWork(known: RunRow, fresh: NewRun, again: boolean): void {
  const { id } = known;
  const clash =
    (known.parent !== undefined && 'it is the child of another run') ||
    (known.workflow !== fresh.workflow && `it is a run of workflow "${known.workflow}"`) ||
    (known.input !== fresh.input && 'it was started with other input');
  if (clash !== false) {
    throw new ImgkitError('ALREADY_EXISTS', `run "${id}" is already there: ${clash}`, {
      resource: id,
      hint: 'An id stands for one piece of work; use another.',
    });
  }
  if (again || known.protocol === fresh.protocol) return;
  throw new ImgkitError(
    'FAILED_PRECONDITION',
    `run "${id}" was recorded with protocol ${known.protocol} of workflow "${known.workflow}", not ${fresh.protocol}`,
    { resource: id, hint: 'Use another id, or start it with the workflow it was recorded with.' },
  );
}
