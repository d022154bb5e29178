import {
  Agent,
  request as requestHttp,
  type AgentOptions,
  type ClientRequest,
  type IncomingMessage,
} from 'node:http';

import { ImgkitError, throwIfAborted } from '@imgkit/core';

import { connectionError, protocolError, responseError } from '../errors.ts';
import { answerStream, type PieceStream } from './answer-stream.ts';
import { sendBody, type BodyStream } from './body-stream.ts';

/** One request. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | Uint8Array | BodyStream | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How long the answer may take, in milliseconds; not for streams, which take what they take. */
  readonly timeoutMs?: number | undefined;
  /** Answers that are no refusal beside those of 200 to 299. */
  readonly accept?: readonly number[] | undefined;
  /** Whether the answer's content is wanted as it comes, rather than when all of it is there. */
  readonly streamed?: boolean | undefined;
}

/** An answer. */
export interface HttpResponse {
  readonly status: number;
  /** By their names in small letters. */
  readonly headers: ReadonlyMap<string, string>;
  /** The content; empty where it was wanted as a stream. */
  readonly text: string;
  /** The content as it comes, where that was wanted. */
  readonly stream?: PieceStream | undefined;
}

/** Sends requests. */
export type Transport = (request: HttpRequest) => Promise<HttpResponse>;

/** Whom to trust, and how to be trusted, beside what Node trusts. Certificates and keys are PEM. */
export interface Trust {
  /** Certificates of authorities that services may be signed by. */
  readonly authorities?: string | undefined;
  /** A certificate of our own, and its key. */
  readonly certificate?: { readonly chain: string; readonly key: string } | undefined;
  /** Whether certificates aren't checked at all. */
  readonly blind?: boolean | undefined;
}

const defaultTimeoutMs = 60_000;
/** How long a stream may stand still before its connection counts as lost. */
const stillMs = 600_000;
/** Shorter than services keep connections that nobody uses, so that none is used as it is closed. */
const idleMs = 4_000;

/**
 * Makes what sends requests over Node's own client, whose streams cost much less than those of `fetch`.
 * Redirects aren't followed: a token must not go to another host.
 *
 * What it gives throws {@link ImgkitError} of a refusal, `UNAVAILABLE` when the service isn't reached, `TIMEOUT`,
 * `CANCELLED`.
 */
export function createTransport(trust: Trust = {}): Transport {
  const kept = {
    keepAlive: true,
    timeout: idleMs,
    // As Node's own agents do it.
    ...(process.env['NODE_USE_ENV_PROXY'] === '1' && { proxyEnv: process.env }),
  };
  const plain = new Agent(kept);
  const openPlain: Opener = (url, options) => requestHttp(url, { ...options, agent: plain });
  let secure: Promise<Opener> | undefined;
  return async (request) => {
    throwIfAborted(request.signal);
    const isPlain = request.url.startsWith('http:');
    return send(request, isPlain ? openPlain : await (secure ??= secureOpener(kept, trust)));
  };
}

type Opener = (url: URL, options: Options) => ClientRequest;

/** Loaded when it is needed: it takes some time and memory. */
async function secureOpener(
  kept: AgentOptions,
  { authorities, certificate, blind }: Trust,
): Promise<Opener> {
  const [https, tls] = await Promise.all([import('node:https'), import('node:tls')]);
  const agent = new https.Agent({
    ...kept,
    ...(authorities !== undefined && { ca: [...tls.rootCertificates, authorities] }),
    ...(certificate && { cert: certificate.chain, key: certificate.key }),
    ...(blind === true && { rejectUnauthorized: false }),
  });
  return (url, options) => https.request(url, { ...options, agent });
}

interface Options {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
}

async function send(request: HttpRequest, open: Opener): Promise<HttpResponse> {
  const { method, url, headers = {}, body, signal, accept = [], streamed = false } = request;
  const place = url.replace(/\?.*$/s, '');
  const isStream = typeof body === 'object' && 'open' in body;
  const call = open(new URL(url), {
    method,
    headers: { accept: 'application/json', ...headers, ...lengthOf(body) },
  });
  const { timeoutMs = isStream ? undefined : defaultTimeoutMs } = request;
  const end = limit(call, { signal, timeoutMs });
  try {
    const [message] = await Promise.all([
      answerTo(call),
      isStream ? sendBody(call, body) : void call.end(body),
    ]);
    const { statusCode: status = 0 } = message;
    const answer = { status, headers: headersOf(message) };
    const isFine = (status >= 200 && status < 300) || accept.includes(status);
    if (isFine && streamed && status !== 204) {
      end.answered();
      return { ...answer, text: '', stream: received(message, request, end) };
    }
    // Who refuses a stream may hang up on it: the status says it all.
    const text = await textOf(message).catch((error: unknown) => {
      if (isFine) throw error;
      return '';
    });
    end.over();
    if (!call.writableEnded) call.destroy();
    if (isFine) return { ...answer, text };
    if (status >= 300 && status < 400)
      throw protocolError(`${method} ${place}`, `it leads to ${answer.headers.get('location')}`);
    throw responseError({ method, url: place, ...answer, body: text });
  } catch (error) {
    call.destroy();
    end.over();
    throw failure(error, request, end);
  }
}

/** What ends a call before its end. */
interface End {
  /** The time that was over, in milliseconds. */
  lateMs(): number | undefined;
  /** An answer has come: what remains may take its time. */
  answered(): void;
  /** Nothing ends it any more. */
  over(): void;
}

function limit(
  call: ClientRequest,
  { signal, timeoutMs }: Pick<HttpRequest, 'signal' | 'timeoutMs'>,
): End {
  let late: number | undefined;
  const lapse = (ms: number) => (): void => {
    late = ms;
    call.destroy(new Error('it took too long'));
  };
  const stop = (): void => void call.destroy(new Error('it was aborted'));
  const timer = timeoutMs === undefined ? undefined : setTimeout(lapse(timeoutMs), timeoutMs);
  call.setTimeout(stillMs, lapse(stillMs));
  signal?.addEventListener('abort', stop, { once: true });
  return {
    lateMs: () => late,
    answered: () => clearTimeout(timer),
    over: () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    },
  };
}

/** An error that arrives behind the answer, of a service that didn't want the rest of a stream, isn't waited for. */
async function answerTo(call: ClientRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  call.on('response', resolve);
  call.on('error', reject);
  return promise;
}

async function textOf(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function* received(
  message: IncomingMessage,
  request: HttpRequest,
  end: End,
): AsyncGenerator<readonly Uint8Array[], void, undefined> {
  try {
    yield* answerStream(message);
  } catch (error) {
    throw failure(error, request, end);
  } finally {
    end.over();
  }
}

function failure(error: unknown, { method, url, signal }: HttpRequest, end: End): unknown {
  throwIfAborted(signal);
  const place = url.replace(/\?.*$/s, '');
  const late = end.lateMs();
  if (late === undefined) return connectionError(error, method, place);
  return new ImgkitError('TIMEOUT', `${method} ${place}: no answer within ${late} ms`, {
    hint: 'Try again later.',
    cause: error,
  });
}

function lengthOf(body: HttpRequest['body']): Record<string, string> {
  if (body === undefined) return {};
  const length =
    typeof body === 'object' && 'open' in body ? body.sizeBytes : Buffer.byteLength(body);
  return length === undefined ? {} : { 'content-length': String(length) };
}

function headersOf({ headers }: IncomingMessage): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)] as const],
    ),
  );
}

/** The JSON of an answer. */
export function readJson({ text }: Pick<HttpResponse, 'text'>, what: string): unknown {
  try {
    const content: unknown = JSON.parse(text);
    return content;
  } catch {
    throw protocolError(what, 'it is no JSON');
  }
}
