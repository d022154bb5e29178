import {
  CloudCalls,
  ImgkitError,
  type CallOptions,
  type Clock,
  type Json,
  type Logger,
  type OperationControl,
} from '@imgkit/core';

import type { AzureClient, OperationAddress, OperationEnd } from './client.ts';
import { apiError } from './errors.ts';
import { readAddress, type OperationToken } from './resources/operation-token.ts';
import { formatId, type ResourceId, type ResourceType } from './resources/resource-id.ts';
import type { AzureSettings } from './settings.ts';
import { SubscriptionRegions } from './resources/subscription-regions.ts';
import type { BlobUploads } from './transfer/blob-uploads.ts';

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
export class AzureContext extends CloudCalls<OperationToken['operation']> {
  readonly settings: AzureSettings;
  readonly client: AzureClient;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly owner: () => Promise<string>;
  readonly uploads: BlobUploads | undefined;
  readonly regions: SubscriptionRegions;

  constructor(parts: AzureContextParts) {
    super(parts.provider, { error: apiError, address: readAddress });
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
    accepted(this.textOf(token));
    const end = this.clock.now() + this.settings.maxWaitMs;
    try {
      for (let delay = firstDelay; ; delay = Math.min(delay * 2, longestDelay)) {
        const done = await look({ signal });
        if (done !== undefined) return done;
        const left = end - this.clock.now();
        if (left <= 0)
          throw this.pending(token, `Azure takes longer than ${this.settings.maxWaitMs} ms`);
        await this.clock.sleep(Math.min(delay, left), signal);
      }
    } catch (error) {
      if (!signal.aborted || (ImgkitError.is(error) && error.code !== 'CANCELLED')) throw error;
      throw this.pending(token, 'the wait was ended', error);
    }
  }

  /** Waits until an operation of Azure is done. */
  async waitFor(
    control: Pick<OperationControl, 'signal' | 'accepted'>,
    token: OperationToken & { readonly operation: OperationAddress },
  ): Promise<OperationEnd> {
    return this.wait(control, token, (options) => this.client.poll(token.operation, options));
  }
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
