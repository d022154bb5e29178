import type { CallOptions, Json } from '../spec/call-options.ts';
import { ImgkitError } from '../spec/errors.ts';
import { silentLogger } from '../logger.ts';
import type { Logger } from '../logger.ts';
import { systemClock } from './clock.ts';
import type { Clock } from './clock.ts';
import { Executor, pollMs } from './executor.ts';
import { openJournal } from './journal.ts';
import type { Journal } from './journal.ts';
import { decode, encode } from './json.ts';
import type {
  CleanupReport,
  Engine,
  EventOptions,
  ResumeReport,
  RunDetail,
  RunFilter,
  RunHandle,
  RunInfo,
  StartOptions,
} from './port.ts';
import { systemProcesses } from '../local/process-identity.ts';
import type { ProcessTable } from '../local/process-identity.ts';
import { messageOf, recallError } from './recorded-error.ts';
import type { LedgerEntry, RemovableResource, ResourceRemover } from './resource.ts';
import { RunControl } from './run-control.ts';
import type { RunEvent } from './run-event.ts';
import { checkRunId } from './run-name.ts';
import { RunReport } from './run-report.ts';
import { isOver } from './run-table.ts';
import { assertWanted, closed } from './waiting.ts';
import { checkInput } from './workflow-input.ts';
import { WorkflowRegistry } from './workflow-registry.ts';
import type { AnyWorkflow, RetryPolicy, Workflow } from './workflow.ts';

/** How an {@link embeddedEngine} is set up. */
export interface EmbeddedEngineOptions {
  /** Where the journal is; made, for its owner only, when missing. It must lie on a disk of this machine. Processes that use the same directory share their runs. */
  readonly directory: string;
  /** Removes what runs have made. */
  readonly remover: ResourceRemover;
  /** Default: the machine's own. */
  readonly clock?: Clock | undefined;
  /** Where the engine and its steps write what they do; nowhere by default. */
  readonly logger?: Logger | undefined;
  /** How steps are retried that say nothing else. */
  readonly retry?: RetryPolicy | undefined;
  /** How long a clean-up waits for a resource whose creation may still be under way, in milliseconds. Default: 2000. */
  readonly settleMs?: number | undefined;
  /** How long a step may take to heed its signal, in milliseconds. Default: 10 000. */
  readonly graceMs?: number | undefined;
}

/** What tests put in place of the machine. */
export interface EmbeddedEngineParts {
  readonly processes?: ProcessTable | undefined;
  readonly open?: (directory: string, clock: Clock, processes: ProcessTable) => Promise<Journal>;
}

/** See {@link embeddedEngine}. */
export class EmbeddedEngine implements Engine {
  readonly #options: EmbeddedEngineOptions;
  readonly #parts: EmbeddedEngineParts;
  readonly #clock: Clock;
  readonly #registry = new WorkflowRegistry();
  #opening: Promise<RunControl> | undefined;
  #closing: Promise<void> | undefined;
  #abandoned = false;
  #control: RunControl | undefined;

  constructor(options: EmbeddedEngineOptions, parts: EmbeddedEngineParts = {}) {
    this.#options = options;
    this.#parts = parts;
    this.#clock = options.clock ?? systemClock();
  }

  register(...workflows: readonly AnyWorkflow[]): void {
    for (const workflow of workflows) this.#registry.add(workflow);
  }

  async owner(options: CallOptions = {}): Promise<string> {
    return (await this.#open(options)).journal.owner;
  }

  async start<I, O>(
    workflow: Workflow<I, O>,
    input: I,
    options: StartOptions,
  ): Promise<RunHandle<O>> {
    const { id } = options;
    checkRunId(id);
    this.register(workflow);
    const text = encode(await checkInput(workflow, input), `the input of run "${id}"`);
    const control = await this.#open(options);
    await control.begin(workflow, text, options);
    return handle<O>(control, id);
  }

  async resume(
    options: CallOptions & { readonly id?: string | undefined } = {},
  ): Promise<ResumeReport> {
    const control = await this.#open(options);
    const { id } = options;
    const resumed: RunHandle[] = [];
    const skipped: { id: string; reason: string }[] = [];
    const roots =
      id === undefined
        ? control.journal.runs.unfinishedRoots()
        : [control.need(control.need(id).root)];
    for (const root of roots) {
      try {
        if (isOver(root.state)) await control.finishCleanups(root);
        else if (control.goOn(root)) resumed.push(handle(control, root.id));
        else skipped.push({ id: root.id, reason: 'another process works on it' });
      } catch (error) {
        if (id !== undefined) throw error;
        skipped.push({ id: root.id, reason: messageOf(error) });
      }
    }
    return { resumed, skipped };
  }

  async *list(filter: RunFilter = {}): AsyncIterable<RunInfo> {
    const { journal } = await this.#open(filter);
    const report = new RunReport(journal);
    for (const row of journal.runs.list(filter)) {
      assertWanted(filter);
      yield report.info(row);
    }
  }

  async show(id: string, options: CallOptions = {}): Promise<RunDetail> {
    const control = await this.#open(options);
    return new RunReport(control.journal).detail(control.need(id));
  }

  async *events(id: string, options: EventOptions = {}): AsyncIterable<RunEvent> {
    const control = await this.#open(options);
    const { executor, journal } = control;
    const row = control.need(id);
    let next = options.from ?? 1;
    for (;;) {
      executor.flush();
      // The state first: when it says that the run is over, its last event is written.
      const over = isOver(control.need(id).state);
      const page = journal.events.page(row, next);
      for (const event of page) {
        yield event;
        next = event.seq + 1;
      }
      if (page.length === 0) {
        if (over || options.follow !== true) return;
        await executor.bell.wait(pollMs, options.signal);
      }
      assertWanted(options);
    }
  }

  async *ledger(
    filter: CallOptions & { readonly runId?: string | undefined } = {},
  ): AsyncIterable<LedgerEntry> {
    const control = await this.#open(filter);
    const { ledger } = control.journal;
    const { runId } = filter;
    yield* runId === undefined ? ledger.all() : ledger.tree(control.need(runId));
  }

  async signal(
    id: string,
    topic: string,
    payload: Json,
    options: CallOptions & { readonly key: string },
  ): Promise<void> {
    const control = await this.#open(options);
    const { journal, executor } = control;
    const text = encode(payload, `the payload of signal "${topic}"`) ?? 'null';
    journal.database.transaction(() => {
      if (isOver(control.need(id).state)) {
        throw new ImgkitError('FAILED_PRECONDITION', `run "${id}" is over`, { resource: id });
      }
      journal.signals.send(id, topic, options.key, text);
    });
    executor.bell.ring();
  }

  async cancel(
    id: string,
    options: CallOptions & { readonly reason?: string | undefined } = {},
  ): Promise<CleanupReport> {
    return (await this.#open(options)).cancel(id, options.reason ?? 'on request', options);
  }

  async cleanup(id: string, options: CallOptions = {}): Promise<CleanupReport> {
    return (await this.#open(options)).cleanup(id);
  }

  async noteRemoved(resource: RemovableResource, options: CallOptions = {}): Promise<void> {
    const { journal } = await this.#open(options);
    journal.database.transaction(() => journal.ledger.gone(resource));
  }

  async prune(options: CallOptions & { readonly olderThanMs: number }): Promise<number> {
    const { journal } = await this.#open(options);
    return journal.database.transaction(() => {
      const roots = journal.runs.prunable(this.#clock.now() - options.olderThanMs);
      for (const root of roots) journal.runs.forget(root);
      return roots.length;
    });
  }

  close(options: { readonly drainMs?: number | undefined } = {}): Promise<void> {
    this.#closing ??= (async () => (await this.#opening)?.close(options.drainMs ?? 0))();
    return this.#closing;
  }

  /** What a `kill -9` does to the engine. For tests. */
  abandon(): void {
    this.#closing ??= Promise.resolve();
    this.#abandoned = true;
    this.#control?.executor.abandon();
  }

  async #open(options: CallOptions): Promise<RunControl> {
    assertWanted(options);
    if (this.#closing !== undefined) throw closed();
    this.#opening ??= this.#openControl();
    return this.#opening;
  }

  async #openControl(): Promise<RunControl> {
    const { directory, remover, retry = {}, settleMs = 2000, graceMs = 10_000 } = this.#options;
    const { logger = silentLogger } = this.#options;
    const { open = openJournal, processes = systemProcesses } = this.#parts;
    try {
      const journal = await open(directory, this.#clock, processes);
      const settings = { remover, clock: this.#clock, logger, retry, settleMs, graceMs };
      this.#control = new RunControl(new Executor(journal, settings), this.#registry);
      if (this.#abandoned) this.abandon();
      return this.#control;
    } catch (error) {
      // What is in the way may be put right; the next call tries again.
      this.#opening = undefined;
      throw error;
    }
  }
}

/**
 * An engine that needs nothing but a directory: its journal is an SQLite file there, which is opened at the first call.
 *
 * @example
 * ```ts
 * import { defineWorkflow, embeddedEngine } from '@imgkit/core';
 * import type { ResourceRemover } from '@imgkit/core';
 *
 * declare const remover: ResourceRemover;
 * const double = defineWorkflow({
 *   name: 'double',
 *   protocol: 1,
 *   run: async (ctx, input: number) => ctx.step('multiply', () => input * 2),
 * });
 *
 * const engine = embeddedEngine({ directory: '/var/lib/imgkit/runs', remover });
 * const run = await engine.start(double, 21, { id: 'double-21' });
 * console.log(await run.result()); // 42, also if the process died in between
 * await engine.close();
 * ```
 */
export function embeddedEngine(options: EmbeddedEngineOptions): Engine {
  return new EmbeddedEngine(options);
}

function handle<O>(control: RunControl, id: string): RunHandle<O> {
  return {
    id,
    async result(options = {}) {
      const row = await control.end(id, options, () => control.takeOver(control.need(id)));
      if (row.state === 'SUCCEEDED') return decode<O>(row.output);
      throw row.error === undefined
        ? new ImgkitError('CANCELLED', `run "${id}" was cancelled`, { resource: id })
        : recallError(row.error);
    },
  };
}
