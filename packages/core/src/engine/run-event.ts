import type { ErrorCode } from '../spec/errors.ts';
import type { Json } from '../spec/call-options.ts';

/** What every event has. */
interface EventHead {
  /** Counts the events of a root run and all its children together, from 1, without a gap. */
  readonly seq: number;
  /** When, in milliseconds since the epoch. */
  readonly at: number;
  /** The run it happened in. */
  readonly runId: string;
  /** The step, if it happened in one. */
  readonly step?: string | undefined;
  /** One line for people. */
  readonly message: string;
}

/** What happened to a run. */
export type RunEvent = EventHead & RunEventBody;

/** The part of {@link RunEvent} that differs by `type`. */
export type RunEventBody =
  /** `run-resumed`: another process, or the same program started again, goes on with the run. */
  | {
      readonly type: 'run-started' | 'run-resumed';
      readonly workflow: string;
      readonly attempt: number;
    }
  | {
      readonly type: 'run-finished';
      readonly state: 'SUCCEEDED' | 'FAILED' | 'CANCELLED';
      readonly code?: ErrorCode | undefined;
    }
  | { readonly type: 'step-started'; readonly attempt: number }
  | { readonly type: 'step-finished'; readonly durationMs: number }
  /** `retryInMs` is missing when it isn't tried again. */
  | {
      readonly type: 'step-failed';
      readonly code: ErrorCode;
      readonly attempt: number;
      readonly retryInMs?: number | undefined;
    }
  /** `resource-left`: could not be removed, or was left standing because of `keepOnFailure`. */
  | {
      readonly type: 'resource-created' | 'resource-kept' | 'resource-removed' | 'resource-left';
      readonly provider: string;
      readonly kind: string;
      readonly id: string;
      readonly reason?: string | undefined;
    }
  /** A recorded step that the workflow no longer has, most likely because it was renamed. */
  | { readonly type: 'step-unknown' }
  /** What the workflow told by `progress`. */
  | {
      readonly type: 'progress';
      readonly topic: string;
      readonly fraction?: number | undefined;
      readonly data?: Json | undefined;
    };
