import {
  ImgkitError,
  throwIfAborted,
  type CallOptions,
  type Clock,
  type Logger,
  type Retrier,
} from '@imgkit/core';

import type {
  ApiCall,
  CloudOperation,
  CountedRequest,
  GceClient,
  ListCall,
  MutationCall,
  OperationName,
  Page,
  Throttle,
  WaitOptions,
} from '../client.ts';
import { operationError } from '../errors.ts';
import { regionOf } from '../resources/resource-id.ts';
import { operationCall, pageWarnings, readOperation } from './operations.ts';
import { requestIdOf } from './request-id.ts';
import { SdkCalls, type SdkCallsParts } from './sdk-calls.ts';
import { isWireObject, objects, text, type WireObject } from './wire.ts';

/** What {@link GoogleClient} is made of. */
export interface GoogleClientParts extends SdkCallsParts {
  readonly retrier: Retrier;
  readonly throttle: Throttle;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Mutations that know no requestId; their fingerprint makes it safe to repeat them. */
const withoutRequestId = new Set(
  ['images', 'machineImages', 'snapshots'].map((one) => `${one}.setLabels`),
);

/** Google's reason when one resource, rather than the project, is asked for too much. */
const ofOneResource = 'RESOURCE_OPERATION_RATE_EXCEEDED';

/** Google's own client behind {@link GceClient}. Nothing of it is loaded before the first call. */
export class GoogleClient implements GceClient {
  readonly #parts: GoogleClientParts;
  readonly #calls: SdkCalls;

  constructor(parts: GoogleClientParts) {
    this.#parts = parts;
    this.#calls = new SdkCalls(parts);
  }

  async read(call: ApiCall, options?: CallOptions): Promise<WireObject> {
    return this.#repeating(call, options);
  }

  async *pages(call: ListCall, options?: CallOptions): AsyncGenerator<Page, void, undefined> {
    const aggregated = call.method === 'aggregatedList';
    let pageToken: string | undefined;
    do {
      const request = pageToken === undefined ? call.request : { ...call.request, pageToken };
      const page = await this.#repeating({ ...call, request }, options);
      const warnings = pageWarnings(page);
      for (const { code, message, scope } of warnings)
        this.#parts.logger.warn(`Google warns of a listing: ${message}`, {
          code,
          scope,
          ...nameOf(call),
        });
      const field = call.method === 'listManagedInstances' ? 'managedInstances' : 'items';
      yield { items: aggregated ? flatten(page) : objects(page, field), warnings };
      pageToken = text(page, 'nextPageToken');
    } while (pageToken !== undefined);
  }

  async write(
    { repeatable, ...call }: ApiCall & { readonly repeatable: boolean },
    options?: CallOptions,
  ): Promise<WireObject> {
    return this.#change(call, repeatable, options);
  }

  async start(mutation: MutationCall, options?: CallOptions): Promise<CloudOperation> {
    const { service, method, request, target, key, generation = 0 } = mutation;
    const project = text(request, 'project') ?? '';
    const takesId = !withoutRequestId.has(`${service}.${method}`);
    const parts = [service, method, project, target, String(generation)];
    const id = takesId ? { requestId: requestIdOf(key, ...parts) } : {};
    const answer = await this.#change(
      { service, method, request: { ...request, ...id } },
      true,
      options,
    );
    const operation = readOperation(answer, project);
    this.#tellWarnings(operation);
    return operation;
  }

  async wait(
    operation: OperationName,
    { signal, onProgress }: WaitOptions = {},
  ): Promise<CloudOperation> {
    const { service, request } = operationCall(operation);
    for (let delayMs = 100; ; delayMs = Math.min(delayMs * 2, 5_000)) {
      const answer = await this.read({ service, method: 'wait', request }, { signal });
      const seen = readOperation(answer, operation.project);
      onProgress?.(seen.progress);
      if (seen.done) {
        this.#tellWarnings(seen);
        const error = operationError(seen.native, { resource: seen.target });
        if (error !== undefined) throw error;
        return seen;
      }
      // Google's own wait takes minutes; this is for the answers that come at once.
      await sleep(this.#parts.clock, delayMs, signal);
    }
  }

  async close(): Promise<void> {
    await this.#calls.close();
  }

  /** A call that may be aborted at any time, and be made again. */
  async #repeating(call: ApiCall, options: CallOptions = {}): Promise<WireObject> {
    const { signal } = options;
    return this.#parts.retrier.run(
      async () => {
        await this.#enter(call, signal);
        return this.#send(call, signal);
      },
      { safe: true, signal },
    );
  }

  /**
   * A call that changes something. While nobody knows whether it took place, it isn't aborted: it is asked for
   * again, under the same request id, until that is known or the retrier gives up.
   */
  async #change(
    call: ApiCall,
    repeatable: boolean,
    { signal }: CallOptions = {},
  ): Promise<WireObject> {
    const stop = new AbortController();
    let known = true;
    const giveUp = (): void => {
      if (known) stop.abort(signal?.reason);
    };
    throwIfAborted(signal);
    signal?.addEventListener('abort', giveUp);
    try {
      return await this.#parts.retrier.run(
        async () => {
          await this.#enter(call, known ? stop.signal : undefined);
          const certain = known;
          known = false;
          try {
            return await this.#send(call, undefined);
          } catch (error) {
            known = certain && isRefusal(error);
            if (signal?.aborted === true) giveUp();
            throw error;
          }
        },
        { safe: repeatable, signal: stop.signal },
      );
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
  }

  async #enter(call: ApiCall, signal: AbortSignal | undefined): Promise<void> {
    await this.#parts.throttle.enter(countedAs(call), { signal }).catch((error: unknown) => {
      throwIfAborted(signal);
      throw error;
    });
  }

  /** Makes a call once, and tells the throttle when Google refuses it for its rate. */
  async #send(call: ApiCall, signal: AbortSignal | undefined): Promise<WireObject> {
    try {
      return await this.#calls.send(call, signal);
    } catch (error) {
      if (ImgkitError.is(error, 'RATE_LIMITED') && error.providerCode !== ofOneResource)
        this.#parts.throttle.refused(countedAs(call), error.retryAfterMs);
      throw error;
    }
  }

  #tellWarnings({ name, target, warnings }: CloudOperation): void {
    for (const { code, message } of warnings)
      this.#parts.logger.warn(`Google warns of an operation: ${message}`, {
        code,
        operation: name,
        target,
      });
  }
}

/** Whether an error says that nothing took place: all that Google answered, save its own troubles. */
function isRefusal(error: unknown): boolean {
  return !ImgkitError.is(error, 'UNAVAILABLE') && !ImgkitError.is(error, 'TIMEOUT');
}

/** The items of an aggregated page, of all its scopes. */
function flatten(page: WireObject): readonly WireObject[] {
  const scopes = isWireObject(page['items']) ? Object.values(page['items']) : [];
  return scopes
    .filter(isWireObject)
    .flatMap((scope) =>
      Object.keys(scope).flatMap((key) => (key === 'warning' ? [] : objects(scope, key))),
    );
}

/** How Google counts a request: its quotas are by project, and by region where the method works in one. */
function countedAs({ service, method, request }: ApiCall): CountedRequest {
  const zone = text(request, 'zone');
  const region = text(request, 'region') ?? (zone && regionOf(`zones/${zone}`));
  return { service, method, project: text(request, 'project') ?? '', region };
}

function nameOf({ service, method, request }: ApiCall): Record<string, unknown> {
  return { call: `${service}.${method}`, project: request['project'] };
}

async function sleep(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  await clock.sleep(ms, signal).catch((error: unknown) => {
    throwIfAborted(signal);
    throw error;
  });
}
