import {
  ImgkitError,
  ProviderCalls,
  withDetails,
  type CallOptions,
  type Clock,
  type ErrorPlace,
  type Json,
  type Logger,
  type Operation,
  type OperationControl,
} from '@imgkit/core';

import type { AzureClient, OperationAddress, OperationEnd } from './client.ts';
import { apiError } from './errors.ts';
import { decodeToken, encodeToken, type OperationToken } from './operation-token.ts';
import { formatId, type ResourceId, type ResourceType } from './resource-id.ts';
import type { AzureSettings } from './settings.ts';
import { SubscriptionRegions } from './subscription-regions.ts';
import type { BlobUploads } from './transfer/blob-uploads.ts';

/** What a capability goes on with when it is given a token: the rest of the work that the call began. */
type Resume = (token: OperationToken, control: OperationControl) => Promise<unknown>;

/** What an {@link AzureContext} is made of. */
export interface AzureContextParts {
  /** The provider's name. */
  readonly provider: string;
  readonly settings: AzureSettings;
  readonly client: AzureClient;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Says which installation this is. */
  readonly owner: () => Promise<string>;
  /** Uploads disk files; nothing where no storage account is named for them. */
  readonly uploads?: BlobUploads | undefined;
}

const [firstDelay, longestDelay] = [200, 10_000];

/** One provider: what every capability of it shares. */
export class AzureContext extends ProviderCalls {
  readonly settings: AzureSettings;
  readonly client: AzureClient;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly owner: () => Promise<string>;
  readonly uploads: BlobUploads | undefined;
  readonly regions: SubscriptionRegions;
  readonly #resumes = new Map<string, Resume>();

  constructor(parts: AzureContextParts) {
    super(parts.provider, located);
    this.settings = parts.settings;
    this.client = parts.client;
    this.logger = parts.logger;
    this.clock = parts.clock;
    this.owner = parts.owner;
    this.uploads = parts.uploads;
    this.regions = new SubscriptionRegions(parts);
  }

  /** The id of a resource in the provider's own resource group. */
  id(type: ResourceType, ...names: readonly string[]): string {
    const { subscription, resourceGroup } = this.settings;
    return formatId({ subscription, resourceGroup, type, names });
  }

  /** The provider's own gallery. */
  get gallery(): ResourceId {
    const { subscription, resourceGroup, gallery } = this.settings;
    return { subscription, resourceGroup, type: 'Microsoft.Compute/galleries', names: [gallery] };
  }

  /** The time as Azure writes it. */
  now(): string {
    return new Date(this.clock.now()).toISOString();
  }

  /**
   * Looks again and again, ever more slowly, until something is done. When the caller gives up meanwhile, or the
   * wait runs out, the cloud goes on: then it throws `PENDING` with the token.
   *
   * @param look - Looks once; gives nothing while it isn't done.
   */
  async wait<T>(
    { signal, accepted }: Pick<OperationControl, 'signal' | 'accepted'>,
    token: OperationToken,
    look: (options: CallOptions) => Promise<T | undefined>,
  ): Promise<T> {
    const text = encodeToken(this.provider, token);
    accepted(text);
    const end = this.clock.now() + this.settings.maxWaitMs;
    try {
      for (let delay = firstDelay; ; delay = Math.min(delay * 2, longestDelay)) {
        const done = await look({ signal });
        if (done !== undefined) return done;
        const left = end - this.clock.now();
        if (left <= 0)
          throw pending(token, text, `Azure takes longer than ${this.settings.maxWaitMs} ms`);
        await this.clock.sleep(Math.min(delay, left), signal);
      }
    } catch (error) {
      if (!signal.aborted || (ImgkitError.is(error) && error.code !== 'CANCELLED')) throw error;
      throw pending(token, text, 'the wait was ended', error);
    }
  }

  /** Waits until an operation of Azure is done. */
  async waitFor(
    control: Pick<OperationControl, 'signal' | 'accepted'>,
    token: OperationToken & { readonly operation: OperationAddress },
  ): Promise<OperationEnd> {
    return this.wait(control, token, (options) => this.client.poll(token.operation, options));
  }

  /** Says how the operations of a call are continued from a token. */
  onResume(call: string, resume: Resume): void {
    this.#resumes.set(call, resume);
  }

  /** Continues an operation of this or another process. */
  resume(text: string, options: CallOptions = {}): Operation<unknown> {
    return this.operation('resume', undefined, options, async (control) => {
      const token = decodeToken(text);
      const resume = token && this.#resumes.get(token.call);
      if (token === undefined || resume === undefined)
        throw new ImgkitError('INVALID_ARGUMENT', `"${text}" is not the token of an operation`, {
          hint: `Give one that an operation of provider "${this.provider}" gave.`,
        });
      return resume(token, control);
    });
  }
}

/** The error with provider, operation and resource, where they are not known yet. */
function located(error: unknown, place: ErrorPlace): ImgkitError {
  const known = apiError(error);
  if (known.provider !== undefined) return known;
  return withDetails(known, {
    provider: place.provider,
    operation: known.operation ?? place.operation,
    resource: known.resource ?? place.resource,
  });
}

function pending(token: OperationToken, text: string, why: string, cause?: unknown): ImgkitError {
  return new ImgkitError('PENDING', `${token.call} goes on in the cloud: ${why}`, {
    resource: token.target,
    token: text,
    hint: 'Go on waiting with provider.resume(token).',
    cause,
  });
}

/** The token of an operation: what is waited for, and what is left to do then. */
export function tokenOf<O extends OperationAddress | null>(
  call: string,
  operation: O,
  target: string,
  rest: Json = null,
): OperationToken & { readonly operation: O } {
  return { call, operation, target, rest };
}
