import type { CallOptions } from '../spec/call-options.ts';
import { ImgkitError, type ErrorDetails } from '../spec/errors.ts';
import type { Operation } from '../spec/operation.ts';
import type { ImageRef } from '../spec/ref.ts';
import { startOperation, throwIfAborted, type OperationControl } from './operation.ts';

/** Where an error came from: the provider, the call, and what it was about. */
export type ErrorPlace = Pick<ErrorDetails, 'provider' | 'operation' | 'resource'>;

/**
 * The calls of one provider: how adapters make every call of every capability, so that whatever one throws is an
 * imgkit error that says where it came from, and an aborted signal is `CANCELLED`.
 *
 * @example
 * ```ts
 * import { ImgkitError, ProviderCalls, withDetails } from '@imgkit/core';
 *
 * const calls = new ProviderCalls('prod', (error, place) =>
 *   withDetails(
 *     ImgkitError.is(error) ? error : new ImgkitError('UNAVAILABLE', String(error)),
 *     place,
 *   ),
 * );
 * await calls.call('images.get', 'web-1', {}, () => fetch('https://cloud.example/images/web-1'));
 * ```
 */
export class ProviderCalls {
  /** The provider's name. */
  readonly provider: string;
  readonly #convert: (error: unknown, place: ErrorPlace) => ImgkitError;

  /** @param convert - Makes an imgkit error of anything, and says where it came from as far as it doesn't say so. */
  constructor(provider: string, convert: (error: unknown, place: ErrorPlace) => ImgkitError) {
    this.provider = provider;
    this.#convert = convert;
  }

  /** The ref of an image of this provider. */
  ref(id: string): ImageRef {
    return { provider: this.provider, id };
  }

  /** A call that is answered at once. */
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
      throw this.located(error, operation, resource);
    }
  }

  /** A listing. */
  async *listing<T>(
    operation: string,
    resource: string | undefined,
    options: CallOptions | undefined,
    body: () => AsyncIterable<T>,
  ): AsyncGenerator<T, void, undefined> {
    try {
      throwIfAborted(options?.signal);
      for await (const item of body()) {
        throwIfAborted(options?.signal);
        yield item;
      }
    } catch (error) {
      throw this.located(error, operation, resource);
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
        throw this.located(error, operation, resource);
      }
    }, options);
  }

  /** Whatever was thrown as an imgkit error that says where it came from. */
  located(error: unknown, operation: string, resource: string | undefined): ImgkitError {
    return this.#convert(error, { provider: this.provider, operation, resource });
  }
}
