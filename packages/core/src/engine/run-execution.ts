import { ImgkitError } from '../spec/errors.ts';
import { cleanUpTree, isOpen, undoTools } from './cleanup.ts';
import type { Executor } from './executor.ts';
import { decode, encode } from './json.ts';
import { LeaseLost } from './journal.ts';
import { Memos } from './memo.ts';
import type { CleanupReport } from './port.ts';
import { asImgkitError, recordError } from './recorded-error.ts';
import { RunContext } from './run-context.ts';
import { cancellation, endMessage, withLeftovers } from './run-ending.ts';
import type { Ending } from './run-ending.ts';
import type { RunEventBody } from './run-event.ts';
import type { Lease, RunRow } from './run-table.ts';
import { isOver } from './run-table.ts';
import { undoEntries, undoStrays } from './undo.ts';
import type { AnyWorkflow, ProgressEvent } from './workflow.ts';

/** One run at work in this process, from its start or resumption to its end. */
export class RunExecution {
  readonly executor: Executor;
  readonly row: RunRow;
  readonly lease: Lease;
  readonly parent: RunExecution | undefined;
  readonly memos = new Memos();
  readonly children: RunExecution[] = [];
  /** Resolves when the run is over, or halted; never rejects. */
  readonly done: Promise<void>;
  /** Resolves when the run is cancelled or halted. */
  readonly aborted: Promise<void>;
  /** Why the run was halted, when it was the journal's fault. */
  fault: unknown;
  /** The run as it is when it is over. */
  final: RunRow | undefined;

  readonly #workflow: AnyWorkflow | undefined;
  readonly #abort = new AbortController();
  readonly #lost = new AbortController();
  readonly #over = new AbortController();
  readonly #left = new AbortController();
  #context: RunContext | undefined;
  #closed = false;
  #cancelledByParent = false;

  constructor(
    executor: Executor,
    row: RunRow,
    lease: Lease,
    workflow: AnyWorkflow | undefined,
    parent: RunExecution | undefined,
  ) {
    this.executor = executor;
    this.row = row;
    this.lease = lease;
    this.parent = parent;
    this.#workflow = workflow;
    this.done = aborted(this.#over.signal);
    this.aborted = aborted(this.#abort.signal);
  }

  /** Aborted when the run is cancelled or halted. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Whether the workflow's code has nothing more to say: the run is ending, or it goes on elsewhere. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** Aborted when this process has lost the run. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async start(): Promise<void> {
    try {
      let { row } = this;
      if (row.state !== 'CLEANING') {
        const ending: Ending =
          row.cancel === undefined
            ? await this.#work()
            : { outcome: 'CANCELLED', error: cancellation(row.cancel) };
        await this.#settle(ending);
        row = this.executor.journal.runs.get(row.id) ?? row;
      }
      if (!isOver(row.state)) await this.#cleanUp(row);
      this.final = this.executor.journal.runs.get(row.id);
    } catch (error) {
      if (!this.lost.aborted) this.halt(error);
    } finally {
      await this.memos.dispose();
      this.#over.abort();
    }
  }

  /** Stops the workflow and its children; what they made is then removed. */
  cancel(reason: string, byParent = false): void {
    if (this.#closed || this.signal.aborted) return;
    this.#cancelledByParent = byParent;
    this.#abort.abort(cancellation(reason));
    for (const child of this.children) child.cancel(reason, true);
    // Code that doesn't heed its signal is waited for, but not forever.
    const { clock, graceMs } = this.executor.settings;
    clock.sleep(graceMs, this.#over.signal).then(
      () => this.#left.abort(),
      () => undefined,
    );
  }

  /** Stops at once and writes nothing more: the run belongs to another process, or to the next. */
  halt(fault?: unknown): void {
    if (this.lost.aborted) return;
    this.#closed = true;
    this.fault = fault;
    const reason = new ImgkitError('CANCELLED', 'this process no longer works on the run');
    this.#lost.abort(reason);
    this.#abort.abort(reason);
    this.#left.abort();
  }

  /** Writes as the holder of the run. */
  write<T>(work: () => T): T {
    if (this.lost.aborted) throw new LeaseLost();
    return this.executor.write(this.lease, work);
  }

  /** Tells those who watch. */
  emit(message: string, body: RunEventBody, step?: string): void {
    if (this.lost.aborted) return;
    const at = this.executor.settings.clock.now();
    this.executor.emit(this.lease, { runId: this.row.id, at, step, message, body });
  }

  /** Tells those who watch what the workflow has to say. */
  tell({ topic = 'progress', message, fraction, data }: ProgressEvent, step?: string): void {
    encode(data, `the data of the event "${message}"`);
    this.emit(message, { type: 'progress', topic, fraction, data }, step);
  }

  /** Runs the workflow's code to its end. */
  async #work(): Promise<Ending> {
    const { row } = this;
    const workflow = this.#workflow;
    if (workflow === undefined) throw new LeaseLost();
    const left = aborted(this.#left.signal).then(() => this.#cancelled());
    return Promise.race([left, this.#runBody(workflow, row)]);
  }

  async #runBody(workflow: AnyWorkflow, row: RunRow): Promise<Ending> {
    try {
      await this.executor.takePlace(this);
      this.signal.throwIfAborted();
      this.#context = new RunContext(this);
      const output = await workflow.run(this.#context, decode<never>(row.input));
      this.signal.throwIfAborted();
      return { outcome: 'SUCCEEDED', output: encode(output, `the result of run "${row.id}"`) };
    } catch (error) {
      if (this.signal.aborted) return this.#cancelled();
      return { outcome: 'FAILED', error: asImgkitError(error, `run "${row.id}"`) };
    }
  }

  #cancelled(): Ending {
    return {
      outcome: 'CANCELLED',
      error: asImgkitError(this.signal.reason, `run "${this.row.id}"`),
    };
  }

  /** Writes down how the run ends, when its children have ended and its live objects are gone. */
  async #settle({ outcome, output, error }: Ending): Promise<void> {
    this.#closed = true;
    if (outcome !== 'SUCCEEDED') {
      for (const child of this.children)
        child.cancel(`run "${this.row.id}" ${outcome.toLowerCase()}`, true);
    }
    await Promise.all(this.children.map((child) => child.done));
    await this.memos.dispose();
    const { journal, settings } = this.executor;
    const { id } = this.row;
    this.write(() => {
      const recorded = error === undefined ? undefined : recordError(error);
      journal.runs.settle(id, outcome, output, recorded, settings.clock.now());
      for (const name of outcome === 'CANCELLED' ? [] : (this.#context?.unknownSteps() ?? [])) {
        journal.steps.markUnknown({ run: id, attempt: this.row.attempt }, name);
        this.emit(
          `step "${name}" was recorded, but the workflow no longer has it`,
          { type: 'step-unknown' },
          name,
        );
      }
      if (outcome !== 'SUCCEEDED') return;
      for (const { provider, kind, id: resource } of journal.ledger.keepOnSuccess(id)) {
        const body = { type: 'resource-kept', provider, kind, id: resource ?? '' } as const;
        this.emit(`kept ${kind} ${resource}`, body);
      }
    });
  }

  /** Removes what isn't kept, and ends the run. */
  async #cleanUp(row: RunRow): Promise<void> {
    this.#closed = true;
    const { journal, settings } = this.executor;
    const report = await this.#undo(row);
    this.write(() => {
      const now = settings.clock.now();
      const error = withLeftovers(row, report);
      const code = row.outcome === 'SUCCEEDED' ? undefined : error?.code;
      for (const below of journal.runs.tree(row)) {
        if (below.id === row.id || isOver(below.state)) continue;
        const reason = recordError(cancellation(`run "${row.id}" is over`));
        journal.runs.settle(below.id, 'CANCELLED', undefined, reason, now);
        journal.runs.finish(below.id, reason, now);
      }
      journal.runs.finish(row.id, error && recordError(error), now);
      const state = row.outcome ?? 'FAILED';
      this.emit(endMessage(row, error), { type: 'run-finished', state, code });
      if (row.parent === undefined) journal.runs.release(this.lease);
    });
  }

  async #undo(row: RunRow): Promise<CleanupReport> {
    const { journal } = this.executor;
    if (row.outcome === 'CANCELLED' && !this.#cancelledByParent) {
      return cleanUpTree(this, row);
    }
    const unfinished = new Set(
      journal.runs
        .tree(row)
        .filter((run) => run.id === row.id || !isOver(run.state))
        .map((run) => run.id),
    );
    const entries = journal.ledger
      .tree(row)
      .filter((entry) => unfinished.has(entry.runId) && isOpen(entry));
    if (row.outcome === 'FAILED' && row.keepOnFailure) {
      const reason = `left for a look; cleaning up run "${row.id}" removes it`;
      const left = entries.map(({ provider, kind, id = 'unknown' }) => ({
        provider,
        kind,
        id,
        reason,
      }));
      for (const { provider, kind, id } of entries) {
        const body = {
          type: 'resource-left',
          provider,
          kind,
          id: id ?? 'unknown',
          reason,
        } as const;
        this.emit(`${kind} ${body.id} is ${reason}`, body);
      }
      return { removed: [], left };
    }
    const tools = undoTools(this);
    const report = await undoEntries(entries, tools, tools.log);
    if (row.outcome === 'SUCCEEDED') return report;
    const strays = await undoStrays(
      journal.owner,
      new Set([row.label]),
      journal.ledger.tree(row),
      tools,
    );
    return {
      removed: [...report.removed, ...strays.removed],
      left: [...report.left, ...strays.left],
    };
  }
}

/** Resolves when the signal is aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
