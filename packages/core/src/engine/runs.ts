import type { CallOptions, Json } from '../spec/call-options.ts';
import { systemClock } from './clock.ts';
import type { Clock } from './clock.ts';
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
import type { LedgerEntry, ResourceRemover } from './resource.ts';
import type { RunEvent } from './run-event.ts';
import { sweep } from './sweep.ts';
import type { SweepOptions, SweepReport } from './sweep.ts';
import type { AnyWorkflow, Workflow } from './workflow.ts';

/** What {@link Runs} works with. */
export interface RunsParts {
  readonly engine: Engine;
  readonly remover: ResourceRemover;
  /** Default: the machine's own. */
  readonly clock?: Clock | undefined;
}

/**
 * All that has been done, is being done, and was left behind.
 *
 * @example
 * ```ts
 * import { embeddedEngine, Runs } from '@imgkit/core';
 * import type { ResourceRemover } from '@imgkit/core';
 *
 * declare const remover: ResourceRemover;
 * const engine = embeddedEngine({ directory: '/var/lib/imgkit/runs', remover });
 * const runs = new Runs({ engine, remover });
 *
 * for await (const run of runs.list({ states: ['RUNNING'] })) {
 *   console.log(run.id, run.active ? 'at work' : 'waits to be resumed');
 * }
 * const { plan } = await runs.sweep(); // says what it would do
 * for (const { resource, action, reason } of plan) console.log(action, resource.id, reason);
 * await runs.sweep({ dryRun: false, plan }); // does that and nothing else
 * ```
 */
export class Runs {
  readonly #engine: Engine;
  readonly #remover: ResourceRemover;
  readonly #clock: Clock;

  constructor({ engine, remover, clock = systemClock() }: RunsParts) {
    this.#engine = engine;
    this.#remover = remover;
    this.#clock = clock;
  }

  /** Makes workflows known, which is needed to resume their runs. See {@link Engine.register}. */
  register(...workflows: readonly AnyWorkflow[]): void {
    this.#engine.register(...workflows);
  }

  /** Starts a run, or joins the one with this id. See {@link Engine.start}. */
  start<I, O>(workflow: Workflow<I, O>, input: I, options: StartOptions): Promise<RunHandle<O>> {
    return this.#engine.start(workflow, input, options);
  }

  /** The runs, newest first. */
  list(filter?: RunFilter): AsyncIterable<RunInfo> {
    return this.#engine.list(filter);
  }

  /**
   * A run with its steps, its ledger, its children and its error.
   *
   * @throws {@link ImgkitError} `NOT_FOUND`.
   */
  show(id: string, options?: CallOptions): Promise<RunDetail> {
    return this.#engine.show(id, options);
  }

  /** The events of a run and its children. See {@link Engine.events}. */
  events(id: string, options?: EventOptions): AsyncIterable<RunEvent> {
    return this.#engine.events(id, options);
  }

  /** What runs made: of one run and its children, or of all. */
  ledger(
    filter?: CallOptions & { readonly runId?: string | undefined },
  ): AsyncIterable<LedgerEntry> {
    return this.#engine.ledger(filter);
  }

  /** Goes on with all runs that a crash cut off and whose workflow is registered. See {@link Engine.resume}. */
  resume(options?: CallOptions & { readonly id?: string | undefined }): Promise<ResumeReport> {
    return this.#engine.resume(options);
  }

  /** Sends a run a signal. See {@link Engine.signal}. */
  signal(
    id: string,
    topic: string,
    payload: Json,
    options: CallOptions & { readonly key: string },
  ): Promise<void> {
    return this.#engine.signal(id, topic, payload, options);
  }

  /** Cancels a run and removes what it made. See {@link Engine.cancel}. */
  cancel(
    id: string,
    options?: CallOptions & { readonly reason?: string | undefined },
  ): Promise<CleanupReport> {
    return this.#engine.cancel(id, options);
  }

  /** Removes what a finished run left. See {@link Engine.cleanup}. */
  cleanup(id: string, options?: CallOptions): Promise<CleanupReport> {
    return this.#engine.cleanup(id, options);
  }

  /**
   * Finds what carries this installation's label and is nobody's any more, and removes it when `dryRun` is false. A resource is
   * nobody's when its run is over and did not keep it, or when no one knows its run and it has expired for over an hour.
   */
  sweep(options?: SweepOptions): Promise<SweepReport> {
    return sweep({ engine: this.#engine, remover: this.#remover, clock: this.#clock }, options);
  }

  /** Forgets old runs. See {@link Engine.prune}. */
  prune(options: CallOptions & { readonly olderThanMs: number }): Promise<number> {
    return this.#engine.prune(options);
  }

  /** Stops the engine. See {@link Engine.close}. */
  close(options?: { readonly drainMs?: number | undefined }): Promise<void> {
    return this.#engine.close(options);
  }
}
