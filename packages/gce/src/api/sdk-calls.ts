import { AsyncLocalStorage } from 'node:async_hooks';

import { ImgkitError, throwIfAborted } from '@imgkit/core';

import type { ApiCall, ApiService } from '../client.ts';
import { apiError } from '../errors.ts';
import type { Credentials } from './credentials.ts';
import { loadSdkClient, type SdkClient } from './sdk.ts';
import { fromSdk, isWireObject, type WireObject } from './wire.ts';

/** What {@link SdkCalls} are made of. */
export interface SdkCallsParts {
  readonly credentials: Credentials;
  /** Where the API is, if not at Google. */
  readonly endpoint: URL | undefined;
  readonly universeDomain: string | undefined;
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
/** Single calls through Google's own clients, one of which is loaded for each service that is used. */
export class SdkCalls {
  readonly #parts: SdkCallsParts;
  readonly #clients = new Map<ApiService, Promise<SdkClient>>();

  constructor(parts: SdkCallsParts) {
    this.#parts = parts;
  }

  /**
   * Makes a call once.
   *
   * @throws ImgkitError of what Google said, or `CANCELLED` once the signal aborts.
   */
  async send(
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
      throw apiError(error, { retryAfterMs: heard.retryAfterMs });
    }
  }

  /** Frees the connections. */
  async close(): Promise<void> {
    const clients = [...this.#clients.values()];
    this.#clients.clear();
    for (const loading of clients) await (await loading.catch(() => undefined))?.close();
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

function isList(method: string): boolean {
  return method === 'aggregatedList' || method.startsWith('list');
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

function serverOf(endpoint: URL): object {
  const protocol = endpoint.protocol.replace(':', '');
  const port = endpoint.port === '' ? (protocol === 'http' ? 80 : 443) : Number(endpoint.port);
  return { apiEndpoint: endpoint.hostname, port, protocol };
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
