import { ImgkitError } from '../../spec/errors.ts';
import type { MemoryContext } from './context.ts';

/** Whether the cloud still works on something. */
export type JobState = 'RUNNING' | 'DONE' | 'FAILED' | 'STOPPED';

/** What the cloud is to do. */
export interface JobPlan {
  /** What it is, for a person to read. */
  readonly title: string;
  /** Does the next part; returns whether there is more. Nothing to do by default. */
  readonly step?: (() => boolean) | undefined;
  /** Undoes all of it, when it is stopped or fails. A job without it can't be stopped. */
  readonly undo?: (() => void) | undefined;
  /** What a failure leaves, where it isn't undone. */
  readonly failed?: (() => void) | undefined;
  /** What the call that started it gives, as a provider sees it. */
  readonly value: (context: MemoryContext) => unknown;
}

/**
 * Work that the cloud does by itself, whoever waits for it: it outlives the provider that started
 * it. Its parts fall due on the cloud's clock, and are done by the next call that comes along.
 */
export class Job {
  readonly token: string;
  readonly project: string;
  readonly operation: string;
  readonly title: string;
  readonly value: (context: MemoryContext) => unknown;
  /** When the next part is due, in milliseconds since the epoch. */
  dueAt: number;
  state: JobState = 'RUNNING';
  error: Error | undefined;
  paused = false;
  /** How many calls wait for it. */
  waiters = 0;
  readonly startedAt: number;
  readonly #partMs: number;
  readonly #plan: JobPlan;
  readonly #failure: (() => Error) | undefined;

  constructor(
    place: { readonly token: string; readonly project: string; readonly operation: string },
    plan: JobPlan,
    timing: {
      readonly now: number;
      readonly partMs: number;
      readonly delayMs?: number;
      readonly failure?: (() => Error) | undefined;
    },
  ) {
    this.token = place.token;
    this.project = place.project;
    this.operation = place.operation;
    this.title = plan.title;
    this.value = plan.value;
    this.startedAt = timing.now;
    this.dueAt = timing.now + timing.partMs + (timing.delayMs ?? 0);
    this.#partMs = timing.partMs;
    this.#plan = plan;
    this.#failure = timing.failure;
  }

  /** Whether it can be stopped and undone. */
  get stoppable(): boolean {
    return this.#plan.undo !== undefined;
  }

  /** Does what is due by now; returns whether anything was. */
  advance(now: number): boolean {
    let moved = false;
    while (this.state === 'RUNNING' && !this.paused && this.dueAt <= now) {
      moved = true;
      if (this.#failure !== undefined) this.fail(this.#failure());
      else if (this.#plan.step?.() === true) this.dueAt += this.#partMs;
      else this.state = 'DONE';
    }
    return moved;
  }

  /** Ends it without success, and undoes it. */
  fail(error: Error): void {
    if (this.state !== 'RUNNING') return;
    this.state = 'FAILED';
    this.error = error;
    this.#plan.undo?.();
    this.#plan.failed?.();
  }

  /** Stops it, and undoes it if it can be undone. */
  stop(reason: string): void {
    if (this.state !== 'RUNNING') return;
    this.state = 'STOPPED';
    this.error = new ImgkitError('OPERATION_FAILED', `${this.title} was stopped: ${reason}`);
    this.#plan.undo?.();
  }
}
