import { ImgkitError, type CallOptions, type Retrier } from '@imgkit/core';
import type { z } from 'zod';

import type { ServiceSettings } from '../configuration/cloud-settings.ts';
import { protocolError, statusOf } from '../errors.ts';
import { findEndpoint } from '../identity/catalog.ts';
import type { Session } from '../identity/session.ts';
import { abortable } from './abortable.ts';
import type { BodyStream } from './body-stream.ts';
import { readJson, type HttpRequest, type HttpResponse } from './transport.ts';
import {
  hasVersion,
  isAtLeast,
  readVersions,
  serviceRoot,
  type OfferedVersion,
  type Version,
} from './version-document.ts';

/** One call of a service; its path begins with a slash and goes behind the service's address. */
export interface ServiceRequest extends CallOptions {
  readonly method: HttpRequest['method'];
  readonly path: string;
  readonly query?: URLSearchParams | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as they are. */
  readonly bytes?: Uint8Array | undefined;
  /** Sent as it comes; a call with a stream is made once, or again with another token where it can be repeated. */
  readonly stream?: BodyStream | undefined;
  /** Whether the answer's content is wanted as it comes. */
  readonly streamed?: boolean | undefined;
  /** Whether making the call twice does no harm. Reading and deleting never do. */
  readonly safe?: boolean | undefined;
  /** How long the answer may take, in milliseconds. */
  readonly timeoutMs?: number | undefined;
}

/** Which service a {@link ServiceClient} is for. */
export interface ServiceClientOptions {
  readonly session: Session;
  readonly retrier: Retrier;
  /** Its type in the catalogue: `image`, `compute`. */
  readonly type: string;
  /** What is put behind an address that names no version: `v2`, `v2.1`. */
  readonly version: string;
  readonly settings: ServiceSettings;
}

/** For how long a token must still live when an upload begins, in milliseconds. */
const uploadMs = 10 * 60_000;

/** Calls one service: at the address of the catalogue, with a token that works, again where that may help. */
export class ServiceClient {
  readonly #options: ServiceClientOptions;
  #base: Promise<string> | undefined;
  #versions: Promise<readonly OfferedVersion[]> | undefined;

  constructor(options: ServiceClientOptions) {
    this.#options = options;
  }

  /** Makes a call whose answer is JSON. */
  async json<T>(request: ServiceRequest, schema: z.ZodType<T>): Promise<T> {
    const response = await this.send(request);
    const what = `${request.method} ${request.path}`;
    const parsed = schema.safeParse(readJson(response, what));
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw protocolError(what, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
  }

  /** Makes a call whose answer doesn't matter. */
  async done(request: ServiceRequest): Promise<void> {
    await this.send(request);
  }

  /**
   * Makes a call.
   *
   * @throws {@link ImgkitError} of a refusal, after the tries that the kit's policy allows.
   */
  async send(request: ServiceRequest): Promise<HttpResponse> {
    const { method, signal, stream } = request;
    const reads = method === 'GET' || method === 'HEAD' || method === 'DELETE';
    const safe = stream === undefined && (request.safe ?? reads);
    const { retrier } = this.#options;
    if (safe) return retrier.run(() => this.#once(request), { safe, signal });
    return stream === undefined ? this.#admitted(request) : this.#once(request);
  }

  /** Makes a call that mustn't be made twice: what was throttled wasn't made. */
  async #admitted(request: ServiceRequest): Promise<HttpResponse> {
    const call = async (): Promise<HttpResponse | { readonly error: unknown }> => {
      try {
        return await this.#once(request);
      } catch (error) {
        if (ImgkitError.is(error, 'RATE_LIMITED')) throw error;
        return { error };
      }
    };
    const { signal } = request;
    const made = await this.#options.retrier.run(call, { safe: true, signal });
    if ('error' in made) throw made.error;
    return made;
  }

  /** Whether the service speaks `least` or a later minor version; `undefined` when it doesn't tell. */
  async speaks(least: Version, options?: CallOptions): Promise<boolean | undefined> {
    const versions = await this.#offered(options);
    if (versions.length === 0) return undefined;
    return versions.some(({ version }) => isAtLeast(version, least));
  }

  /** Whether the service understands a microversion. */
  async understands(wanted: Version, options?: CallOptions): Promise<boolean> {
    const versions = await this.#offered(options);
    return versions.some(
      ({ microversions: range }) =>
        range !== undefined && isAtLeast(range.most, wanted) && isAtLeast(wanted, range.least),
    );
  }

  /** A refused token is replaced, and the call repeated, once. */
  async #once(request: ServiceRequest): Promise<HttpResponse> {
    const { session } = this.#options;
    const { signal, stream } = request;
    const base = await this.#address({ signal });
    const forMs = stream === undefined ? undefined : uploadMs;
    const token = await session.token({ signal, forMs });
    const send = (secret: string): Promise<HttpResponse> =>
      session.send({
        method: request.method,
        url: `${base}${request.path}${queryOf(request.query)}`,
        headers: {
          'x-auth-token': secret,
          ...(request.json !== undefined && { 'content-type': 'application/json' }),
          ...request.headers,
        },
        body:
          stream ??
          request.bytes ??
          (request.json === undefined ? undefined : JSON.stringify(request.json)),
        streamed: request.streamed,
        timeoutMs: request.timeoutMs,
        signal,
      });
    try {
      return await send(token.secret.reveal());
    } catch (error) {
      const isUsedUp = stream !== undefined && !stream.isRepeatable;
      if (statusOf(error) !== 401 || isUsedUp) throw error;
      const other = await session.replace(token, { signal });
      return send(other.secret.reveal());
    }
  }

  /** The address that paths go behind. */
  async #address(options?: CallOptions): Promise<string> {
    this.#base ??= this.#find().catch((error: unknown) => {
      this.#base = undefined;
      throw error;
    });
    return abortable(this.#base, options?.signal);
  }

  async #find(): Promise<string> {
    const { session, type, version, settings } = this.#options;
    const { region, interface: face } = session.settings;
    const token = await session.token();
    const url =
      settings.endpoint?.replace(/\/+$/, '') ??
      findEndpoint(token.catalog, {
        type,
        name: settings.name,
        region: region ?? token.defaultRegion,
        interface: face,
      });
    return hasVersion(url) ? url : `${url}/${version}`;
  }

  /** What the service says of its versions; it is asked once, when that matters. */
  async #offered(options?: CallOptions): Promise<readonly OfferedVersion[]> {
    this.#versions ??= this.#ask().catch((error: unknown) => {
      this.#versions = undefined;
      throw error;
    });
    return abortable(this.#versions, options?.signal);
  }

  /** Services describe themselves at their root, and each version at its own; some clouds show neither. */
  async #ask(): Promise<OfferedVersion[]> {
    const base = await this.#address();
    const { session, retrier } = this.#options;
    const root = serviceRoot(base);
    const segment = /\/v\d+(?:\.\d+)?(?=\/|$)/.exec(base.slice(root.length))?.[0] ?? '';
    const found: OfferedVersion[] = [];
    for (const url of [`${root}/`, `${root}${segment}/`]) {
      try {
        const response = await retrier.run(
          () => session.send({ method: 'GET', url, accept: [300] }),
          { safe: true },
        );
        found.push(...readVersions(readJson(response, url)));
      } catch (error) {
        if (!isClosed(error)) throw error;
      }
      if (found.length > 0) break;
    }
    return found;
  }
}

/** A service that doesn't tell its versions still works. */
function isClosed(error: unknown): boolean {
  if (ImgkitError.is(error, 'PROTOCOL')) return true;
  if (ImgkitError.is(error, 'RATE_LIMITED')) return false;
  const status = statusOf(error);
  return status !== undefined && status >= 400 && status < 500;
}

function queryOf(query: URLSearchParams | undefined): string {
  const text = query?.toString() ?? '';
  return text === '' ? '' : `?${text}`;
}
