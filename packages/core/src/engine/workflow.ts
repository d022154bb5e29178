import type { Json } from '../spec/call-options.ts';
import type { Logger } from '../logger.ts';
import type { Acquired, Resource } from './resource.ts';

/** How often a step is tried, and how long is waited in between. Only errors whose code is retryable are retried. */
export interface RetryPolicy {
  /** How many failures end the trying. A crash of the process is not a failure. Default: 5. */
  readonly maxAttempts?: number | undefined;
  /** The wait after the first failure, in milliseconds. Default: 1000. */
  readonly initialMs?: number | undefined;
  /** The longest wait, in milliseconds. An error's own `retryAfterMs` may be longer and is obeyed. Default: 60 000. */
  readonly maxMs?: number | undefined;
  /** By what each wait is longer than the one before. Default: 2. */
  readonly factor?: number | undefined;
}

/** How one step is run. */
export interface StepOptions {
  /** Default: the engine's policy. */
  readonly retry?: RetryPolicy | undefined;
  /** After how many milliseconds one attempt is aborted with `TIMEOUT`. Default: never. */
  readonly timeoutMs?: number | undefined;
}

/** Something to tell those who watch the run. It must hold no secret: the engine writes it down as it is. */
export interface ProgressEvent {
  /** What kind of news it is, for those who listen to one kind, for example `output`. Default: `progress`. */
  readonly topic?: string | undefined;
  /** One line for people. */
  readonly message: string;
  /** How much is done, from 0 to 1. */
  readonly fraction?: number | undefined;
  /** The same for programs. */
  readonly data?: Json | undefined;
}

/** What a step's function gets. */
export interface StepContext {
  /** The step's name. */
  readonly step: string;
  /**
   * The same at each attempt and after each crash, and different for each step, run, and restart of a run: 32 hexadecimal digits.
   * Give it to every create as its idempotency key.
   */
  readonly token: string;
  /** Counts the starts of this step from 1, those that a crash cut off included. */
  readonly attempt: number;
  /** Aborted when the run is cancelled, the step takes too long, or the engine closes. */
  readonly signal: AbortSignal;
  /** What the attempt before told by `heartbeat`, if it did: where to go on. */
  readonly lastHeartbeat: Json | undefined;
  /** Writes down how far the step has come, for the next attempt. */
  heartbeat(details: Json): void;
  /** Tells those who watch, as {@link WorkflowContext.progress} does, with the step's name. */
  progress(event: ProgressEvent): void;
  /** The engine's log; each line carries the run, the step and the attempt. */
  readonly log: Logger;
}

/** How a child run is started. */
export interface ChildOptions {
  /** Unique among the children of the run; the child's id is `<parent>/<name>`. */
  readonly name: string;
  /** At most `max` runs with the same `key` are running at a time, in all processes that share the journal; the others wait. */
  readonly limit?: ConcurrencyLimit | undefined;
}

/** A bound on how many runs go on at a time. */
export interface ConcurrencyLimit {
  /** Runs with the same key count together, for example `prod/europe-west1`. */
  readonly key: string;
  /** How many of them may run. */
  readonly max: number;
}

/** A child run as its parent sees it. */
export interface ChildHandle<O> {
  /** The child's run id. */
  readonly id: string;
  /**
   * Waits for the child.
   *
   * @throws {@link ImgkitError}: the child's own error when it failed, `CANCELLED` when it was cancelled.
   */
  result(): Promise<O>;
}

/**
 * All that a workflow's code may touch. What it does apart from steps must be the same each time it is run:
 * no clock, chance, environment, files or network outside of steps.
 *
 * Steps go one after the other; what should go on side by side is a {@link WorkflowContext.child} each.
 * When the run is cancelled, every call throws `CANCELLED`.
 */
export interface WorkflowContext {
  /** The id of this run. */
  readonly runId: string;
  /** The id of the run that was started by a caller; of a child, not its own. */
  readonly rootId: string;
  /** Counts the restarts of this run from 1. */
  readonly attempt: number;
  /** Aborted when the run is cancelled or the engine closes. */
  readonly signal: AbortSignal;

  /**
   * Runs `fn` and records what it returns; once recorded, it isn't run again, not even after a crash. Until then
   * it may run more than once: a step that was cut off is started anew.
   *
   * @param name - Unique in the run. In loops, take it from the data (`copy:eu-west-1`), never from an index.
   * @returns What `fn` returned, after a round trip through JSON (at most 64 KiB).
   * @throws {@link ImgkitError} `INVALID_ARGUMENT` when the name was already used, or the result isn't small plain data;
   * `FAILED_PRECONDITION` while another step of the run goes on; what `fn` threw, after its retries
   * (anything but an ImgkitError comes as the cause of an `OPERATION_FAILED`).
   */
  step<T>(
    name: string,
    fn: (step: StepContext) => Promise<T> | T,
    options?: StepOptions,
  ): Promise<T>;

  /**
   * A step that creates a resource. The ledger has the intent before the call and the id after it, so that
   * whatever happens the resource is found and removed. It is removed when the run ends, unless kept.
   *
   * @throws {@link ImgkitError} As {@link WorkflowContext.step}.
   */
  acquire<T extends { readonly id: string }>(
    name: string,
    resource: Resource<T>,
    options?: AcquireOptions,
  ): Promise<Acquired<T>>;
  /** Removes an acquired resource now rather than at the run's end. Idempotent. */
  release(acquired: Acquired): Promise<void>;
  /** Keeps an acquired resource, whatever becomes of the run from here on. Idempotent. */
  keep(acquired: Acquired): Promise<void>;

  /**
   * Starts a run below this one, or finds it when it was already started. When this run fails or is cancelled, so are its children;
   * it doesn't end before they do.
   *
   * @throws {@link ImgkitError} `INVALID_ARGUMENT` when the name was already used or the input is not valid.
   */
  child<I, O>(workflow: Workflow<I, O>, input: I, options: ChildOptions): Promise<ChildHandle<O>>;

  /** Waits `ms` milliseconds; a restart of the process doesn't start the wait anew. */
  sleep(name: string, ms: number): Promise<void>;

  /**
   * Waits until somebody signals the run; signals that came before count, each once, in the order they came.
   *
   * @returns The signal's payload, or `null` after `timeoutMs` milliseconds.
   */
  waitSignal(topic: string, options?: SignalWaitOptions): Promise<Json>;

  /** The time, in milliseconds since the epoch; recorded, so that a resumed run sees the same. */
  now(): Promise<number>;
  /** A random UUID; recorded, so that a resumed run sees the same. */
  uuid(): Promise<string>;

  /** Tells those who watch. While recorded steps are passed over after a crash, nothing is told twice. */
  progress(event: ProgressEvent): void;

  /**
   * A live object that can't be recorded, such as a connection: made when first asked for, made anew
   * after a crash, and disposed of when the run ends (in reverse order, before any resource is removed).
   * It is kept by `key` in this process only. May be called inside of steps. A failed `make` is tried again at the next call.
   */
  memo<T>(
    key: string,
    make: () => Promise<T> | T,
    dispose?: (value: T) => Promise<void> | void,
  ): Promise<T>;
  /** Disposes of a memo now, so that the next {@link WorkflowContext.memo} with its key makes a new one. */
  forget(key: string): Promise<void>;
}

/** How a resource is acquired. */
export interface AcquireOptions extends StepOptions {
  /** Keep it when the run succeeds; remove it when the run fails or is cancelled. Default: false. */
  readonly keepOnSuccess?: boolean | undefined;
}

/** How a signal is waited for. */
export interface SignalWaitOptions {
  /** The name under which the wait is recorded; needed when one topic is waited for twice. Default: `signal:<topic>`. */
  readonly name?: string | undefined;
  /** Default: wait forever. */
  readonly timeoutMs?: number | undefined;
}

/** The part of a [Standard Schema](https://standardschema.dev) that checks a workflow's input; Zod, Valibot and ArkType schemas fit. */
export interface InputSchema<T> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => InputResult<T> | Promise<InputResult<T>>;
    readonly types?: { readonly input: unknown; readonly output: T } | undefined;
  };
}

/** What {@link InputSchema} says of a value. */
export type InputResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly message: string;
        readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
      }[];
    };

/** Work that is carried to its end whatever happens to the process; made by {@link defineWorkflow}. */
export interface Workflow<I, O> {
  /** Stable: it is written in the journal. */
  readonly name: string;
  /**
   * Raise it when the steps change such that a run recorded with the old code can't go on with the new. Such
   * a run isn't resumed silently; register the old workflow beside the new one until its runs are gone.
   */
  readonly protocol: number;
  /** Checks the input of a new run. The input is written in the journal as it is: it must hold no secret. */
  readonly input?: InputSchema<I> | undefined;
  /** The work. The result is recorded as a step's result is. */
  run(ctx: WorkflowContext, input: I): Promise<O>;
}

/** Any {@link Workflow}, whatever its input and result. */
export interface AnyWorkflow {
  readonly name: string;
  readonly protocol: number;
  readonly input?: InputSchema<unknown> | undefined;
  run(ctx: WorkflowContext, input: never): Promise<unknown>;
}

/**
 * Defines durable work.
 *
 * @example
 * ```ts
 * import { defineWorkflow } from '@imgkit/core';
 *
 * const greet = defineWorkflow({
 *   name: 'greet',
 *   protocol: 1,
 *   async run(ctx, input: { readonly name: string }) {
 *     const text = await ctx.step('compose', () => `Hello ${input.name}`);
 *     await ctx.sleep('politely', 1000);
 *     ctx.progress({ message: text });
 *     return { text };
 *   },
 * });
 * ```
 */
export function defineWorkflow<I, O>(workflow: Workflow<I, O>): Workflow<I, O> {
  return workflow;
}
