import { randomUUID } from 'node:crypto';
import type { Json } from '../spec/call-options.ts';
import { ImgkitError } from '../spec/errors.ts';
import { acquireResource, keepResource, releaseResource } from './acquisition.ts';
import { startChild } from './child-run.ts';
import { decode, encode } from './json.ts';
import { recallError } from './recorded-error.ts';
import type { Acquired, Resource } from './resource.ts';
import type { RunExecution } from './run-execution.ts';
import { stepToken } from './run-name.ts';
import { runStep } from './step-run.ts';
import type { StepRow } from './step-table.ts';
import type {
  AcquireOptions,
  ChildHandle,
  ChildOptions,
  ProgressEvent,
  SignalWaitOptions,
  StepContext,
  StepOptions,
  Workflow,
  WorkflowContext,
} from './workflow.ts';

/** What a workflow sees of its run: each call is answered from the journal, or carried out and written there. */
export class RunContext implements WorkflowContext {
  readonly runId: string;
  readonly rootId: string;
  readonly attempt: number;
  readonly signal: AbortSignal;
  readonly #execution: RunExecution;
  readonly #recorded: Map<string, StepRow>;
  readonly #names = new Set<string>();
  /** The recorded steps that the workflow has not yet come to again. */
  readonly #ahead: Set<string>;
  #current: string | undefined;
  #values = 0;

  constructor(execution: RunExecution) {
    const { row, signal, executor } = execution;
    this.runId = row.id;
    this.rootId = row.root;
    this.attempt = row.attempt;
    this.signal = signal;
    this.#execution = execution;
    const steps = executor.journal.steps.list(this.#scope);
    this.#recorded = new Map(steps.map((step) => [step.name, step]));
    this.#ahead = new Set(steps.filter((step) => step.state !== 'RUNNING').map(({ name }) => name));
  }

  get #scope() {
    return { run: this.runId, attempt: this.attempt };
  }

  get #clock() {
    return this.#execution.executor.settings.clock;
  }

  step<T>(
    name: string,
    fn: (step: StepContext) => Promise<T> | T,
    options: StepOptions = {},
  ): Promise<T> {
    return this.#once(name, (recorded) =>
      runStep(this.#execution, { name, token: this.#token(name), recorded, options, fn }),
    );
  }

  acquire<T extends { readonly id: string }>(
    name: string,
    resource: Resource<T>,
    options: AcquireOptions = {},
  ): Promise<Acquired<T>> {
    const { provider, kind } = resource;
    const token = this.#token(name);
    return this.#once(name, (recorded) =>
      acquireResource(this.#execution, resource, { name, token, recorded, options }),
    ).then((value) => ({ token, provider, kind, id: value.id, value }));
  }

  release(acquired: Acquired): Promise<void> {
    return this.#alone(`release of ${acquired.kind} ${acquired.id}`, () =>
      releaseResource(this.#execution, acquired),
    );
  }

  keep(acquired: Acquired): Promise<void> {
    return this.#alone(`keep of ${acquired.kind} ${acquired.id}`, async () =>
      keepResource(this.#execution, acquired),
    );
  }

  child<I, O>(workflow: Workflow<I, O>, input: I, options: ChildOptions): Promise<ChildHandle<O>> {
    return this.#guard(async () => {
      this.#take(`child "${options.name}"`);
      const child = await startChild(this.#execution, workflow, input, options);
      return { id: child.id, result: () => this.#guard(() => child.result()) };
    });
  }

  sleep(name: string, ms: number): Promise<void> {
    return this.#once(name, async (recorded) => {
      const execution = this.#execution;
      const { steps } = execution.executor.journal;
      const due = recorded?.due ?? this.#clock.now() + ms;
      execution.write(() => steps.start(this.#scope, name, this.#clock.now(), due));
      await this.#clock.sleep(Math.max(0, due - this.#clock.now()), this.signal);
      execution.write(() => steps.succeed(this.#scope, name, undefined, this.#clock.now()));
    });
  }

  waitSignal(topic: string, options: SignalWaitOptions = {}): Promise<Json> {
    const { name = `signal:${topic}`, timeoutMs } = options;
    return this.#once(name, async (recorded) => {
      const execution = this.#execution;
      const { bell, journal } = execution.executor;
      const due =
        recorded?.due ?? (timeoutMs === undefined ? undefined : this.#clock.now() + timeoutMs);
      execution.write(() => journal.steps.start(this.#scope, name, this.#clock.now(), due));
      const timer = new AbortController();
      try {
        if (due !== undefined) {
          const left = Math.max(0, due - this.#clock.now());
          this.#clock.sleep(left, timer.signal).then(
            () => bell.ring(),
            () => undefined,
          );
        }
        for (;;) {
          const expired = due !== undefined && this.#clock.now() >= due;
          const payload = execution.write(() => {
            const taken = journal.signals.take(this.runId, topic) ?? (expired ? 'null' : undefined);
            if (taken !== undefined)
              journal.steps.succeed(this.#scope, name, taken, this.#clock.now());
            return taken;
          });
          if (payload !== undefined) return decode<Json>(payload);
          await bell.wait(1000, this.signal);
          this.signal.throwIfAborted();
        }
      } finally {
        timer.abort();
      }
    });
  }

  now(): Promise<number> {
    return this.#value('now', () => this.#clock.now());
  }

  uuid(): Promise<string> {
    return this.#value('uuid', () => randomUUID());
  }

  progress(event: ProgressEvent): void {
    if (this.#ahead.size === 0) this.#execution.tell(event);
  }

  memo<T>(
    key: string,
    make: () => Promise<T> | T,
    dispose?: (value: T) => Promise<void> | void,
  ): Promise<T> {
    return this.#guard(() => this.#execution.memos.get(key, make, dispose));
  }

  forget(key: string): Promise<void> {
    return this.#execution.memos.forget(key);
  }

  /** The recorded steps that the workflow never asked for. */
  unknownSteps(): readonly string[] {
    return [...this.#recorded.keys()].filter((name) => !this.#names.has(name));
  }

  /** Answers from the journal, or lets `work` do it; one at a time. */
  #once<T>(name: string, work: (recorded: StepRow | undefined) => Promise<T>): Promise<T> {
    return this.#guard(async () => {
      this.#take(name);
      const recorded = this.#recorded.get(name);
      this.#ahead.delete(name);
      if (recorded?.state === 'SUCCEEDED') return decode<T>(recorded.result);
      if (recorded?.state === 'FAILED' && recorded.error !== undefined)
        throw recallError(recorded.error);
      return this.#exclusively(name, () => {
        // From here on it is new, whatever steps of an older form of the workflow are recorded.
        this.#ahead.clear();
        return work(recorded);
      });
    });
  }

  #alone<T>(what: string, work: () => Promise<T>): Promise<T> {
    return this.#guard(() => this.#exclusively(what, work));
  }

  async #exclusively<T>(what: string, work: () => Promise<T>): Promise<T> {
    if (this.#current !== undefined) {
      throw new ImgkitError(
        'FAILED_PRECONDITION',
        `"${what}" can't begin while "${this.#current}" goes on`,
        {
          operation: 'step',
          hint: 'Await each step before the next; what should go on side by side is a child run each.',
        },
      );
    }
    this.#current = what;
    try {
      return await work();
    } finally {
      this.#current = undefined;
    }
  }

  /** Code of a run that this process has lost, or that was left behind, gets no more answers. */
  async #guard<T>(work: () => Promise<T>): Promise<T> {
    const execution = this.#execution;
    if (execution.isClosed) return never();
    this.signal.throwIfAborted();
    try {
      const value = await work();
      return execution.isClosed ? await never() : value;
    } catch (error) {
      if (execution.isClosed) return never();
      throw this.signal.aborted ? this.signal.reason : error;
    }
  }

  #take(name: string): void {
    if (this.#names.has(name)) {
      throw new ImgkitError(
        'INVALID_ARGUMENT',
        `the step name "${name}" is used twice in run "${this.runId}"`,
        {
          hint: 'Name steps in loops by their data, for example "copy:eu-west-1".',
        },
      );
    }
    this.#names.add(name);
  }

  #token(step: string): string {
    const { executor, row } = this.#execution;
    return stepToken(executor.journal.owner, row, step);
  }

  async #value<T extends Json>(kind: string, make: () => T): Promise<T> {
    return this.#guard(async () => {
      this.#values += 1;
      const name = `${kind}:${this.#values}`;
      this.#take(name);
      const recorded = this.#recorded.get(name);
      this.#ahead.delete(name);
      if (recorded?.state === 'SUCCEEDED') return decode<T>(recorded.result);
      const value = make();
      const now = this.#clock.now();
      const { steps } = this.#execution.executor.journal;
      this.#execution.write(() => {
        steps.start(this.#scope, name, now);
        steps.succeed(this.#scope, name, encode(value, kind), now);
      });
      return value;
    });
  }
}

function never(): Promise<never> {
  return new Promise(() => {});
}
