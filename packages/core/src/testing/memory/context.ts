import { setImmediate as turn } from 'node:timers/promises';
import { startOperation, throwIfAborted } from '../../plugin/operation.ts';
import type { CallOptions } from '../../spec/call-options.ts';
import { ImgkitError } from '../../spec/errors.ts';
import type { Operation } from '../../spec/operation.ts';
import type { ImageRef } from '../../spec/ref.ts';
import type { CloudState } from './cloud.ts';
import { settledOrAborted } from './faults.ts';
import type { Job } from './job.ts';
import { removeExpired } from './machine.ts';
import type { Row, Table } from './table.ts';

/** Work that has begun, and what the call gives when it is done. */
export interface Begun<T> {
  readonly job: Job;
  readonly value: () => T;
}

/** One provider's view of the cloud: every request to the cloud goes through it. */
export class MemoryContext {
  readonly cloud: CloudState;
  /** The provider's name. */
  readonly name: string;
  readonly project: string;

  constructor(cloud: CloudState, name: string, project: string) {
    this.cloud = cloud;
    this.name = name;
    this.project = project;
  }

  ref(id: string): ImageRef {
    return { provider: this.name, id };
  }

  /** The id of a resource of this project. */
  id(collection: string, name: string): string {
    return `projects/${this.project}/${collection}/${name}`;
  }

  /** One short request. */
  async call<T>(
    operation: string,
    resource: string | undefined,
    { signal = new AbortController().signal }: CallOptions,
    body: () => Promise<T> | T,
  ): Promise<T> {
    try {
      await this.#enter(operation, resource, signal);
      const result = await body();
      await this.cloud.faults.reach(operation, 'after', signal);
      return result;
    } catch (error) {
      throw this.#named(error, operation, resource, signal);
    }
  }

  /** One request that starts work, and the waiting for it. */
  operation<T>(
    operation: string,
    resource: string | undefined,
    { signal = new AbortController().signal }: CallOptions,
    begin: (signal: AbortSignal) => Promise<Begun<T>> | Begun<T>,
  ): Operation<T> {
    return startOperation(async ({ progress, accepted }) => {
      try {
        await this.#enter(operation, resource, signal);
        const { job, value } = await begin(signal);
        await this.follow(job, { signal, progress, accepted });
        const result = value();
        await this.cloud.faults
          .reach(operation, 'after', signal)
          .catch((error: unknown) => this.#unlessAborted(error, signal));
        return result;
      } catch (error) {
        throw this.#named(error, operation, resource, signal);
      }
    });
  }

  /** Waits for a job. Aborting stops it, if that is possible and nobody else waits for it. */
  async follow(
    job: Job,
    control: {
      readonly signal: AbortSignal;
      readonly progress: (message: string, fraction?: number) => void;
      readonly accepted: (token: string) => void;
    },
  ): Promise<void> {
    const { signal, progress, accepted } = control;
    job.waiters += 1;
    try {
      accepted(job.token);
      progress(job.title, 0);
      await turn();
      await this.cloud.faults.reach(job.operation, 'accepted', signal);
      for (;;) {
        this.cloud.settle();
        if (job.state !== 'RUNNING') break;
        progress(job.title, this.#fraction(job));
        await this.#nextChange(job, signal);
      }
    } catch (error) {
      // What is done is done: an abort comes too late for it.
      if (!signal.aborted || ImgkitError.is(error)) throw error;
      if (job.state === 'RUNNING') this.#giveUp(job, signal);
    } finally {
      job.waiters -= 1;
    }
    if (job.error !== undefined) throw job.error;
    progress(`${job.title}: done`, 1);
  }

  /** One listing, page by page. */
  async *pages<R extends Row, T>(
    operation: string,
    options: CallOptions & { readonly pageSize?: number | undefined },
    rows: { readonly table: Table<R>; readonly test: (row: R) => boolean },
    show: (row: R) => T,
  ): AsyncGenerator<T, void, undefined> {
    const size = options.pageSize ?? this.cloud.pageSize;
    let after: number | undefined;
    for (;;) {
      const page = await this.call(operation, undefined, options, () => {
        if (!Number.isSafeInteger(size) || size < 1) {
          throw new ImgkitError('INVALID_ARGUMENT', `a page can't have ${size} entries`, {
            hint: 'Give a whole number, at least 1.',
          });
        }
        const found = rows.table.page(after, size, rows.test);
        return found.map((row) => ({ sequence: row.sequence, shown: show(row) }));
      });
      for (const { shown } of page) yield shown;
      if (page.length < size) return;
      after = page.at(-1)?.sequence;
    }
  }

  async #enter(operation: string, resource: string | undefined, signal: AbortSignal) {
    throwIfAborted(signal);
    const { name: provider, project } = this;
    this.cloud.calls.push({ provider, project, operation, resource });
    await this.cloud.faults.reach(operation, 'before', signal);
    this.cloud.settle();
    removeExpired(this);
  }

  async #nextChange(job: Job, signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const waits = [this.cloud.changed()];
    if (!job.paused) {
      const ms = Math.max(job.dueAt - this.cloud.clock.now(), 0);
      const nap = this.cloud.clock.sleep(ms, stop.signal);
      waits.push(nap.catch((error: unknown) => this.#unlessAborted(error, stop.signal)));
    }
    try {
      await settledOrAborted(Promise.race(waits), signal);
    } finally {
      stop.abort();
    }
  }

  #giveUp(job: Job, signal: AbortSignal): never {
    const cause: unknown = signal.reason;
    if (job.stoppable && job.waiters === 1) {
      job.stop('the call was cancelled');
      this.cloud.notify();
      throw new ImgkitError('CANCELLED', `${job.title} was cancelled, and undone`, { cause });
    }
    throw new ImgkitError('PENDING', `nobody waits for it any more, but it goes on: ${job.title}`, {
      token: job.token,
      hint: 'Go on waiting for it with provider.resume(token).',
      cause,
    });
  }

  #unlessAborted(error: unknown, signal: AbortSignal): void {
    if (!signal.aborted) throw error;
  }

  #fraction(job: Job): number {
    const whole = job.dueAt - job.startedAt;
    return whole <= 0 ? 0 : Math.min((this.cloud.clock.now() - job.startedAt) / whole, 0.99);
  }

  /** The error with all that is known here. What isn't of imgkit was injected by a test, and stays as it is. */
  #named(
    error: unknown,
    operation: string,
    resource: string | undefined,
    signal: AbortSignal,
  ): unknown {
    const place = { provider: this.name, operation, resource };
    if (!ImgkitError.is(error)) {
      if (!signal.aborted) return error;
      return new ImgkitError('CANCELLED', `${operation} was cancelled`, { ...place, cause: error });
    }
    if (error.provider !== undefined) return error;
    const { hint, retryAfterMs, token, replacement, data, cause } = error;
    return new ImgkitError(error.code, error.message, {
      ...place,
      resource: error.resource ?? resource,
      hint,
      retryAfterMs,
      token,
      replacement,
      data,
      cause,
    });
  }
}
