import * as z from 'zod';

import type { CallOptions, Json } from '../spec/call-options.ts';
import { withDetails } from '../spec/error-details.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { Operation } from '../spec/operation.ts';
import type { OperationControl } from './operation.ts';
import { ProviderCalls } from './provider-calls.ts';

/** What the token of an operation says: which operation of the cloud to wait for, and how to go on then. */
export interface OperationToken<Address> {
  /** The call that began it: `images.create`. */
  readonly call: string;
  /** Where the cloud tells how far it is; of JSON values. */
  readonly operation: Address;
  /** The id of what is made or changed. */
  readonly target: string;
  /** What the call itself needs to go on. */
  readonly rest: Json;
}

/** What a capability goes on with when it is given a token: the rest of the work that the call began. */
export type ResumeCall<Address> = (
  token: OperationToken<Address>,
  control: OperationControl,
) => Promise<unknown>;

/** How {@link CloudCalls} reads what its cloud says. */
export interface CloudReading<Address> {
  /** Makes an imgkit error of anything. */
  readonly error: (error: unknown) => ImgkitError;
  /** Reads the address of an operation from a token; gives nothing for what isn't one. */
  readonly address: (value: unknown) => Address | undefined;
}

const form = z.strictObject({
  call: z.string(),
  operation: z.json(),
  target: z.string(),
  rest: z.json(),
});

/**
 * The calls of the provider of a cloud whose long work goes on by itself: waiting for it can be given up, and gone
 * on with from a token, by another process too.
 *
 * @example
 * ```ts
 * import { CloudCalls, ImgkitError } from '@imgkit/core';
 *
 * const calls = new CloudCalls<string>('prod', {
 *   error: (error) =>
 *     ImgkitError.is(error) ? error : new ImgkitError('UNAVAILABLE', String(error)),
 *   address: (value) => (typeof value === 'string' ? value : undefined),
 * });
 * calls.onResume('images.create', async ({ operation, target }) => {
 *   await fetch(operation);
 *   return target;
 * });
 * const token = { call: 'images.create', operation: 'https://…/7', target: 'web-1', rest: null };
 * await calls.resume(calls.textOf(token)); // 'web-1'
 * ```
 */
export class CloudCalls<Address> extends ProviderCalls {
  readonly #reading: CloudReading<Address>;
  readonly #resumes = new Map<string, ResumeCall<Address>>();

  constructor(provider: string, reading: CloudReading<Address>) {
    super(provider, (error, place) => {
      const known = reading.error(error);
      if (known.provider !== undefined) return known;
      return withDetails(known, {
        provider: place.provider,
        operation: known.operation ?? place.operation,
        resource: known.resource ?? place.resource,
      });
    });
    this.#reading = reading;
  }

  /** The text form of a token. The provider's name is in front of it for people to read; it doesn't count. */
  textOf({ call, operation, target, rest }: OperationToken<Address>): string {
    const text = JSON.stringify({ call, operation, target, rest });
    return `${this.provider}:${Buffer.from(text).toString('base64url')}`;
  }

  /** The `PENDING` error of a wait that ends before the cloud is done. */
  pending(token: OperationToken<Address>, why: string, cause?: unknown): ImgkitError {
    return new ImgkitError('PENDING', `${token.call} goes on in the cloud: ${why}`, {
      resource: token.target,
      token: this.textOf(token),
      hint: 'Go on waiting with provider.resume(token).',
      cause,
    });
  }

  /** Says how the operations of a call are continued from a token. */
  onResume(call: string, resume: ResumeCall<Address>): void {
    this.#resumes.set(call, resume);
  }

  /**
   * Continues an operation of this or another process.
   *
   * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for what is no token of this provider; as the call does.
   */
  resume(text: string, options: CallOptions = {}): Operation<unknown> {
    return this.operation('resume', undefined, options, async (control) => {
      const token = this.#read(text);
      const resume = token && this.#resumes.get(token.call);
      if (token === undefined || resume === undefined)
        throw new ImgkitError('INVALID_ARGUMENT', `"${text}" is not the token of an operation`, {
          hint: `Give one that an operation of provider "${this.provider}" gave.`,
        });
      return resume(token, control);
    });
  }

  #read(text: string): OperationToken<Address> | undefined {
    const encoded = text.slice(text.lastIndexOf(':') + 1);
    try {
      const token = form.parse(JSON.parse(Buffer.from(encoded, 'base64url').toString()));
      const operation = this.#reading.address(token.operation);
      return operation === undefined ? undefined : { ...token, operation };
    } catch {
      return undefined; // not JSON, or not of a token
    }
  }
}
