import {
  ImgkitError,
  startOperation,
  throwIfAborted,
  type CallOptions,
  type Clock,
  type ImageRef,
  type Operation,
  type OperationControl,
} from '@imgkit/core';

import { located } from '../errors.ts';
import type { Glance } from '../glance/glance.ts';
import type { Nova } from '../nova/nova.ts';
import { Locks } from './locks.ts';

/** What a provider's capabilities share. */
export interface CloudContextOptions {
  /** The provider's name. */
  readonly provider: string;
  /** The id of the project it works in. */
  readonly project: string;
  readonly glance: Glance;
  readonly nova: Nova;
  readonly clock: Clock;
}

/** Continues an operation from the rest of its token. */
export type Resume = (rest: string, options: CallOptions) => Operation<unknown>;

const firstPollMs = 100;
const lastPollMs = 5_000;

/** One provider's view of its cloud: every call of every capability goes through it. */
export class CloudContext {
  readonly provider: string;
  readonly project: string;
  readonly glance: Glance;
  readonly nova: Nova;
  readonly clock: Clock;
  /** Keeps what this process does to one thing in order. */
  readonly locks = new Locks();
  readonly #resumes = new Map<string, Resume>();

  constructor({ provider, project, glance, nova, clock }: CloudContextOptions) {
    this.provider = provider;
    this.project = project;
    this.glance = glance;
    this.nova = nova;
    this.clock = clock;
  }

  ref(id: string): ImageRef {
    return { provider: this.provider, id };
  }

  /** A call that is done soon. Whatever it throws is an imgkit error that says where it came from. */
  async call<T>(
    operation: string,
    resource: string | undefined,
    options: CallOptions | undefined,
    body: () => Promise<T>,
  ): Promise<T> {
    try {
      throwIfAborted(options?.signal);
      return await body();
    } catch (error) {
      throw located(error, { provider: this.provider, operation, resource });
    }
  }

  /** A call that takes long. */
  operation<T>(
    operation: string,
    resource: string | undefined,
    options: CallOptions | undefined,
    body: (control: OperationControl) => Promise<T>,
  ): Operation<T> {
    return startOperation(async (control) => {
      try {
        return await body(control);
      } catch (error) {
        if (!ImgkitError.is(error)) throwIfAborted(control.signal);
        throw located(error, { provider: this.provider, operation, resource });
      }
    }, options);
  }

  /** Asks until there is an answer, ever more seldom. */
  async poll<T>(
    ask: () => Promise<T | undefined>,
    signal: AbortSignal | undefined,
  ): Promise<NonNullable<T>> {
    for (let wait = firstPollMs; ; wait = Math.min(wait * 1.5, lastPollMs)) {
      const answer = await ask();
      if (answer !== undefined && answer !== null) return answer;
      await this.sleep(wait, signal);
    }
  }

  /** Waits; an aborted wait is CANCELLED. */
  async sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.clock.sleep(ms, signal);
    } catch (error) {
      throwIfAborted(signal);
      throw error;
    }
  }

  /** Says how operations whose tokens begin with `operation` are continued. */
  onResume(operation: string, resume: Resume): void {
    this.#resumes.set(operation, resume);
  }

  /** Continues an operation of this or another process. */
  resume(token: string, options: CallOptions = {}): Operation<unknown> {
    const [operation = '', ...rest] = token.split(' ');
    const resume = this.#resumes.get(operation);
    if (resume !== undefined && rest.length > 0) return resume(rest.join(' '), options);
    return this.operation<unknown>('resume', undefined, options, async () => {
      throw new ImgkitError(
        'INVALID_ARGUMENT',
        `"${token}" is not the token of an operation of provider ${this.provider}`,
      );
    });
  }
}
