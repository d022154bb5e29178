import { AsyncLocalStorage } from 'node:async_hooks';

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
  ApiService,
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
import { apiError, operationError } from '../errors.ts';
import { regionOf } from '../resource-id.ts';
import type { Credentials } from './credentials.ts';
import { operationCall, pageWarnings, readOperation } from './operations.ts';
import { requestIdOf } from './request-id.ts';
import { loadSdkClient, type SdkClient } from './sdk.ts';
import { fromSdk, isWireObject, objects, text, type WireObject } from './wire.ts';

/** What {@link GoogleClient} is made of. */
export interface GoogleClientParts {
  readonly credentials: Credentials;
  /** Where the API is, if not at Google. */
  readonly endpoint: URL | undefined;
  readonly universeDomain: string | undefined;
  readonly retrier: Retrier;
  readonly throttle: Throttle;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long one call may take, in milliseconds. Google lets waits for operations take two minutes. */
const callTimeoutMs = 60_000;
const waitTimeoutMs = 150_000;
/** The fields of requests that are in paths; Google routes calls by them. */
const pathFields = new Set(
  'project zone region image family instance disk snapshot machineImage instanceTemplate instanceGroupManager operation resource'.split(
    ' ',
  ),
);
/** Mutations that know no requestId; their fingerprint makes it safe to repeat them. */
const withoutRequestId = new Set(
  ['images', 'machineImages', 'snapshots'].map((one) => `${one}.setLabels`),
);

/** Google's reason when one resource, rather than the project, is asked for too much. */
const ofOneResource = 'RESOURCE_OPERATION_RATE_EXCEEDED';

/** Google's own client behind {@link GceClient}. Nothing of it is loaded before the first call. */
export class GoogleClient implements GceClient {
  readonly #parts: GoogleClientParts;
  readonly #clients = new Map<ApiService, Promise<SdkClient>>();

  constructor(parts: GoogleClientParts) {
    this.#parts = parts;
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
    const clients = [...this.#clients.values()];
    this.#clients.clear();
    for (const loading of clients) await (await loading.catch(() => undefined))?.close();
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

  /** Makes a call once. */
  async #send(
    { service, method, request }: ApiCall,
    signal: AbortSignal | undefined,
  ): Promise<WireObject> {
    const client = await abortable(this.#client(service), signal);
    await abortable(this.#parts.credentials.refresh(), signal);
    const call = client.innerApiCalls[method];
    if (call === undefined)
      throw new ImgkitError('PROTOCOL', `Google's ${service} client has no method ${method}`);
    const headers = { 'x-goog-request-params': routing(request) };
    const timeout = method === 'wait' ? waitTimeoutMs : callTimeoutMs;
    const options = {
      timeout,
      retry: null, // the retrier's alone
      autoPaginate: false,
      otherArgs: { headers },
      ...(signal === undefined ? {} : { signal }),
    };
    const heard: Heard = {};
    try {
      const answers: unknown = await hearing.run(heard, () => call(defined(request), options));
      const list: readonly unknown[] = Array.isArray(answers) ? answers : [];
      // A listing gives its items first and the whole page third.
      const answer = fromSdk(isList(method) ? list[2] : list[0]);
      return isWireObject(answer) ? answer : {};
    } catch (error) {
      throwIfAborted(signal);
      const failure = apiError(error, { retryAfterMs: heard.retryAfterMs });
      if (failure.code === 'RATE_LIMITED' && failure.providerCode !== ofOneResource)
        this.#parts.throttle.refused(countedAs({ service, method, request }), failure.retryAfterMs);
      throw failure;
    }
  }

  /** The client of a service: loaded, with credentials, and thrown away when that fails. */
  async #client(service: ApiService): Promise<SdkClient> {
    const loading = this.#clients.get(service) ?? this.#load(service);
    this.#clients.set(service, loading);
    try {
      return await loading;
    } catch (error) {
      if (this.#clients.get(service) === loading) this.#clients.delete(service);
      throw error;
    }
  }

  async #load(service: ApiService): Promise<SdkClient> {
    const { credentials, endpoint, universeDomain } = this.#parts;
    const auth = await credentials.auth();
    const Client = await loadSdkClient(service);
    const client = new Client({
      auth,
      ...(universeDomain === undefined ? {} : { universeDomain }),
      ...(endpoint === undefined ? {} : serverOf(endpoint)),
    });
    // Before any call: a method called first would crash the process when there are no credentials.
    await client.initialize().catch((error: unknown) => {
      throw credentials.refused(error);
    });
    return client;
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

/** What the headers of an answer said, which the SDK doesn't pass on. */
interface Heard {
  retryAfterMs?: number | undefined;
}

const hearing = new AsyncLocalStorage<Heard>();

/** Listens to what an answer's headers say, for the call that it answers. */
export function listenTo(headers: Headers): void {
  const after = headers.get('retry-after');
  const heard = hearing.getStore();
  if (heard === undefined || after === null) return;
  const ms = /^\d+$/.test(after) ? Number(after) * 1000 : Date.parse(after) - Date.now();
  if (Number.isFinite(ms) && ms >= 0) heard.retryAfterMs = ms;
}

/** Whether an error says that nothing took place: all that Google answered, save its own troubles. */
function isRefusal(error: unknown): boolean {
  return !ImgkitError.is(error, 'UNAVAILABLE') && !ImgkitError.is(error, 'TIMEOUT');
}

function isList(method: string): boolean {
  return method === 'aggregatedList' || method.startsWith('list');
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

function routing(request: ApiCall['request']): string {
  return Object.entries(request)
    .flatMap(([key, value]) =>
      pathFields.has(key) && typeof value === 'string' ? `${key}=${encodeURIComponent(value)}` : [],
    )
    .join('&');
}

function defined(request: ApiCall['request']): object {
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
}

function nameOf({ service, method, request }: ApiCall): Record<string, unknown> {
  return { call: `${service}.${method}`, project: request['project'] };
}

function serverOf(endpoint: URL): object {
  const protocol = endpoint.protocol.replace(':', '');
  const port = endpoint.port === '' ? (protocol === 'http' ? 80 : 443) : Number(endpoint.port);
  return { apiEndpoint: endpoint.hostname, port, protocol };
}

async function sleep(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  await clock.sleep(ms, signal).catch((error: unknown) => {
    throwIfAborted(signal);
    throw error;
  });
}

/** The promise, or `CANCELLED` as soon as the signal aborts. What goes on meanwhile can't fail unheard. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  promise.catch(() => undefined);
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => {
    try {
      throwIfAborted(signal);
    } catch (error) {
      aborted.reject(error);
    }
  };
  signal.addEventListener('abort', onAbort);
  onAbort();
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
