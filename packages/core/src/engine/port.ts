import type { ImgkitError, Leftover } from '../spec/errors.ts';
import type { CallOptions, Json } from '../spec/call-options.ts';
import type { LedgerEntry, RemovableResource } from './resource.ts';
import type { RunEvent } from './run-event.ts';
import type { AnyWorkflow, Workflow } from './workflow.ts';

/**
 * - `PENDING`: waits for a free place (see {@link ConcurrencyLimit}).
 * - `RUNNING`: at work, or cut off by a crash and not yet resumed.
 * - `CLEANING`: its outcome is settled; what it doesn't keep is being removed.
 * - `SUCCEEDED`, `FAILED`, `CANCELLED`: over.
 */
export type RunState = 'PENDING' | 'RUNNING' | 'CLEANING' | RunOutcome;

/** How a run can end. */
export type RunOutcome = 'SUCCEEDED' | 'FAILED' | 'CANCELLED';

/** What is known of a run. */
export interface RunInfo {
  readonly id: string;
  /** The run that a caller started; its own id unless it is a child. */
  readonly rootId: string;
  readonly parentId: string | undefined;
  readonly workflow: string;
  readonly protocol: number;
  /** Counts the restarts from 1. */
  readonly attempt: number;
  readonly state: RunState;
  /** Whether a living process works on it. When not, and the run isn't over, it waits to be resumed. */
  readonly active: boolean;
  /** The value of its resources' `imgkit-run` label. */
  readonly label: string;
  readonly keepOnFailure: boolean;
  readonly input: Json | undefined;
  /** With `SUCCEEDED`: what the workflow returned. */
  readonly output: Json | undefined;
  /** With `FAILED` and `CANCELLED`: why. With `SUCCEEDED`: `CLEANUP_FAILED` when something could not be removed. */
  readonly error: ImgkitError | undefined;
  /** Milliseconds since the epoch, as the other times are. */
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly finishedAt: number | undefined;
}

/** One recorded step. */
export interface StepInfo {
  readonly name: string;
  readonly state: 'RUNNING' | 'SUCCEEDED' | 'FAILED';
  /** How often it was started. */
  readonly attempts: number;
  readonly result: Json | undefined;
  readonly error: ImgkitError | undefined;
  readonly heartbeat: Json | undefined;
  readonly startedAt: number;
  readonly finishedAt: number | undefined;
  /** Whether the workflow came to its end without asking for this step: it was renamed or taken out. */
  readonly unknown: boolean;
}

/** A run with all that is recorded of it. */
export interface RunDetail extends RunInfo {
  /** In the order in which they were first started. */
  readonly steps: readonly StepInfo[];
  /** What it and its children made, in that order. */
  readonly ledger: readonly LedgerEntry[];
  readonly children: readonly RunInfo[];
}

/** How a run is started. */
export interface StartOptions extends CallOptions {
  /**
   * Who starts a run with an id that is already there gets that run: it is joined, taken over when its process is dead, or its
   * recorded result is returned. 1 to 200 characters: letters, digits, and `.`, `_`, `-`, `:`, `/`, of which the first is a letter or digit.
   */
  readonly id: string;
  /** Start a run anew that FAILED or was CANCELLED, under the same id, as its next attempt. Children that succeeded keep their result. Default: false. */
  readonly restart?: boolean | undefined;
  /** When the run fails, leave what it made standing, to look into it; `cleanup` removes it. Default: false. */
  readonly keepOnFailure?: boolean | undefined;
  /** For how long the run's resources are safe from sweep if the journal is lost, in milliseconds. Default: 24 hours. */
  readonly expiresInMs?: number | undefined;
}

/** A started run. */
export interface RunHandle<O = unknown> {
  readonly id: string;
  /**
   * Waits for the run's end, clean-up included. When another process works on the run and dies, this one takes over.
   *
   * @throws {@link ImgkitError}: the run's own error when it failed, `CANCELLED` when it was cancelled,
   * `FAILED_PRECONDITION` when the engine was closed before the end.
   */
  result(options?: CallOptions): Promise<O>;
}

/** Which runs to list. */
export interface RunFilter extends CallOptions {
  readonly workflow?: string | undefined;
  readonly states?: readonly RunState[] | undefined;
  /** List children too. Default: false. */
  readonly children?: boolean | undefined;
}

/** Which events to read. */
export interface EventOptions extends CallOptions {
  /** The first sequence number wanted. Default: 1. */
  readonly from?: number | undefined;
  /** Go on until the run is over. Default: false. */
  readonly follow?: boolean | undefined;
}

/** What a clean-up did. */
export interface CleanupReport {
  readonly removed: readonly RemovableResource[];
  /** What is still there, and why; empty when all went well. */
  readonly left: readonly Leftover[];
}

/** What {@link Engine.resume} did. */
export interface ResumeReport {
  /** The runs that are now at work here. */
  readonly resumed: readonly RunHandle[];
  /** The runs that nobody works on and this program can't resume, and why. */
  readonly skipped: readonly { readonly id: string; readonly reason: string }[];
}

/**
 * What carries workflows through crashes. The embedded one ({@link embeddedEngine}) keeps its journal in a file and
 * needs nothing else; others implement the same port and pass the same suite (`describeEngine` of `@imgkit/core/testing`).
 *
 * Steps run at least once. Exactly one living process works on a run; a write by one that has lost its run is refused.
 */
export interface Engine {
  /**
   * Makes workflows known, which is needed to resume their runs. Starting one registers it too.
   *
   * @throws {@link ImgkitError} `ALREADY_EXISTS` when another workflow has the same name and protocol.
   */
  register(...workflows: readonly AnyWorkflow[]): void;

  /** This installation's id: the value of the `imgkit-owner` label. Made once per journal. */
  owner(options?: CallOptions): Promise<string>;

  /**
   * Starts a run, or joins the one that has this id.
   *
   * @throws {@link ImgkitError} `INVALID_ARGUMENT` for a bad id or input; `ALREADY_EXISTS` when the id belongs to a run of another workflow or with other
   * input; `FAILED_PRECONDITION` when it was recorded with another protocol, or the engine is closed.
   */
  start<I, O>(workflow: Workflow<I, O>, input: I, options: StartOptions): Promise<RunHandle<O>>;

  /**
   * Takes over every run that was cut off by a crash and whose workflow is registered, or the one with this `id`, and finishes every
   * clean-up that was cut off. A run that FAILED or was CANCELLED has given back what it made and is not resumed: start it anew with `restart`.
   *
   * @throws {@link ImgkitError} when an `id` is given: `NOT_FOUND`, or `FAILED_PRECONDITION` when the run was recorded with a workflow or protocol that
   * is not registered.
   */
  resume(options?: CallOptions & { readonly id?: string | undefined }): Promise<ResumeReport>;

  /** The runs, newest first. */
  list(filter?: RunFilter): AsyncIterable<RunInfo>;
  /**
   * A run with all that is recorded of it.
   *
   * @throws {@link ImgkitError} `NOT_FOUND`.
   */
  show(id: string, options?: CallOptions): Promise<RunDetail>;
  /**
   * The events of a run and its children, in order. Works across processes.
   *
   * @throws {@link ImgkitError} `NOT_FOUND`, when the first is asked for.
   */
  events(id: string, options?: EventOptions): AsyncIterable<RunEvent>;
  /** The ledger: of one run and its children, or all of it. */
  ledger(
    filter?: CallOptions & { readonly runId?: string | undefined },
  ): AsyncIterable<LedgerEntry>;

  /**
   * Sends a run a signal. Sent twice with the same key, it counts once.
   *
   * @throws {@link ImgkitError} `NOT_FOUND`; `FAILED_PRECONDITION` when the run is over.
   */
  signal(
    id: string,
    topic: string,
    payload: Json,
    options: CallOptions & { readonly key: string },
  ): Promise<void>;

  /**
   * Cancels a run and its children, wherever they run, then removes what they made in a run of its own, `<id>:cleanup`; resolves when
   * that is done. Cancelling what is over changes nothing.
   *
   * @throws {@link ImgkitError} `NOT_FOUND`.
   */
  cancel(
    id: string,
    options?: CallOptions & { readonly reason?: string | undefined },
  ): Promise<CleanupReport>;

  /**
   * Removes what a finished run and its children left: what could not be removed before, or was left standing by `keepOnFailure`. What is kept stays.
   * Idempotent.
   *
   * @throws {@link ImgkitError} `NOT_FOUND`; `FAILED_PRECONDITION` while the run isn't over.
   */
  cleanup(id: string, options?: CallOptions): Promise<CleanupReport>;

  /** Notes in the ledger that a resource is gone, however it went. */
  noteRemoved(resource: RemovableResource, options?: CallOptions): Promise<void>;

  /** Forgets finished runs, with their children, that ended more than `olderThanMs` milliseconds ago and left nothing; returns how many. */
  prune(options: CallOptions & { readonly olderThanMs: number }): Promise<number>;

  /**
   * Stops: starts nothing new, waits up to `drainMs` milliseconds (default: 0) for the runs to end, then cuts the rest off where they are, as a crash
   * would; any engine on the same journal resumes them. Idempotent.
   */
  close(options?: { readonly drainMs?: number | undefined }): Promise<void>;
}
