import {
  CloudCalls,
  ImgkitError,
  throwIfAborted,
  type CallOptions,
  type Clock,
  type Json,
  type Logger,
  type OperationControl,
} from '@imgkit/core';

import { apiError, isOperationFailure } from './errors.ts';
import type { CloudOperation, GceClient } from './client.ts';
import { readOperationName, type OperationToken } from './resources/operation-token.ts';

/** What a {@link GceContext} is made of. */
export interface GceContextParts {
  /** The provider's name. */
  readonly provider: string;
  readonly project: string;
  readonly client: GceClient;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Gives the zone to work in; throws when nobody said one. */
  readonly zone: (options?: CallOptions) => Promise<string>;
  /** Gives the region to work in; throws when nobody said one. */
  readonly region: (options?: CallOptions) => Promise<string>;
}

/** One provider: what every capability of it shares. */
export class GceContext extends CloudCalls<OperationToken['operation']> {
  readonly project: string;
  readonly client: GceClient;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly zone: GceContextParts['zone'];
  readonly region: GceContextParts['region'];

  constructor(parts: GceContextParts) {
    super(parts.provider, { error: apiError, address: readOperationName });
    this.project = parts.project;
    this.client = parts.client;
    this.logger = parts.logger;
    this.clock = parts.clock;
    this.zone = parts.zone;
    this.region = parts.region;
  }

  /** A listing of many, page by page as they come: each entry takes one turn of the event loop's queue less. */
  async *pagewise<T>(
    operation: string,
    options: CallOptions | undefined,
    body: () => AsyncIterable<readonly T[]>,
  ): AsyncGenerator<T, void, undefined> {
    try {
      throwIfAborted(options?.signal);
      for await (const page of body()) {
        for (const item of page) {
          throwIfAborted(options?.signal);
          yield item;
        }
      }
    } catch (error) {
      throw this.located(error, operation, undefined);
    }
  }

  /**
   * Waits for an operation of the cloud, and tells its progress. When the caller gives up meanwhile, the cloud
   * goes on: then it throws `PENDING` with the token.
   */
  async wait(
    { progress, signal, accepted }: OperationControl,
    token: OperationToken,
    what: string,
  ): Promise<CloudOperation> {
    accepted(this.textOf(token));
    progress(what, 0);
    try {
      return await this.client.wait(token.operation, {
        signal,
        onProgress: (percent) => progress(what, percent / 100),
      });
    } catch (error) {
      if (!signal.aborted || (ImgkitError.is(error) && error.code !== 'CANCELLED')) throw error;
      throw this.pending(token, 'the wait was ended', error);
    }
  }

  /**
   * Waits for the operation of a token as {@link wait} does.
   *
   * @returns Whether Google still knows it. After some two weeks it doesn't: then the resource says how it ended.
   */
  async waitAgain(
    control: OperationControl,
    token: OperationToken,
    what: string,
  ): Promise<boolean> {
    try {
      await this.wait(control, token, what);
      return true;
    } catch (error) {
      if (!ImgkitError.is(error, 'NOT_FOUND') || isOperationFailure(error)) throw error;
      this.logger.debug('Google has forgotten the operation', { operation: token.operation.name });
      return false;
    }
  }

  /** Waits for the deletion of a token; where Google has forgotten it, looks whether the resource is gone. */
  async waitUntilGone(
    control: OperationControl,
    token: OperationToken,
    what: string,
    read: () => Promise<unknown>,
  ): Promise<void> {
    if (await this.waitAgain(control, token, what)) return;
    try {
      await read();
    } catch (error) {
      if (ImgkitError.is(error, 'NOT_FOUND')) return;
      throw error;
    }
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      `${token.target} stands, and Google has forgotten its deletion`,
      {
        resource: token.target,
        hint: 'Delete it again, if it is still the same one.',
      },
    );
  }
}

/** The token of an operation: what is waited for, and what is left to do then. */
export function tokenOf(
  call: string,
  { project, scope, name }: CloudOperation,
  target: string,
  rest: Json = null,
): OperationToken {
  return { call, operation: { project, scope, name }, target, rest };
}
