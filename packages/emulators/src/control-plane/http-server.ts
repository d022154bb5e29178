import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';

import type { EmulatorClock } from './clock.ts';
import { effectOf, type FaultBook, type FaultEffect, type StatusFault } from './faults.ts';
import type { Json } from './json.ts';
import type { OpenRequest } from './request-log.ts';

/** An answer to a request. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: Json | undefined;
  /** Bytes to be sent instead of JSON. */
  readonly stream?: Readable | undefined;
}

/** A request, as an API sees it. */
export interface ApiRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  /** The body as a stream: for those that don't read it with {@link ApiRequest.text}. */
  readonly stream: Readable;
  /** Reads the body. */
  text(): Promise<string>;
  /** Its entry in the log. */
  readonly log: OpenRequest;
  /** Aborted when the caller has gone. */
  readonly gone: AbortSignal;
}

/** A request that an API has recognised. */
export interface RecognisedCall {
  /** The method of the API. */
  readonly rpc: string | undefined;
  /** Carries it out. Never throws for what the caller did wrong. */
  run(effects: readonly FaultEffect[]): Promise<Answer>;
}

/** An API behind the server. */
export interface Api {
  recognise(request: ApiRequest): RecognisedCall;
  /** The answer of a status fault. */
  faultAnswer(fault: StatusFault): Answer;
  /** The answer when the emulator itself fails. */
  crashAnswer(error: unknown): Answer;
}

export interface HttpServerOptions {
  readonly host: string;
  readonly port: number;
  readonly clock: EmulatorClock;
  readonly faults: FaultBook;
  readonly log: OpenRequest[];
  readonly apiOf: (path: string) => Api;
}

export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves APIs over HTTP, with the faults that are ordered. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const server = createServer((incoming, response) => {
    serve(incoming, response, options).catch(() => incoming.socket.destroy());
  });
  server.keepAliveTimeout = 60_000;
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(options.port, options.host, resolve);
  await listening;
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    async close() {
      const { promise: closed, resolve: done } = Promise.withResolvers<void>();
      server.close(() => done());
      server.closeAllConnections();
      await closed;
    },
  };
}

async function serve(
  incoming: IncomingMessage,
  response: ServerResponse,
  { clock, faults, log, apiOf }: HttpServerOptions,
): Promise<void> {
  const request = openRequest(incoming, response, clock.now());
  log.push(request.log);
  const api = apiOf(request.url.pathname);
  const call = api.recognise(request);
  request.log.rpc = call.rpc;
  const effects = faults.strike(request.log);

  const slow = effectOf(effects, 'delay');
  if (slow) await delay(slow.ms, undefined, { signal: request.gone, ref: false });
  const drop = effectOf(effects, 'drop');
  if (drop?.when === 'before') return void incoming.socket.destroy();
  const status = effectOf(effects, 'status');
  const refused = status !== undefined && status.when !== 'after';

  let answer: Answer;
  try {
    answer = refused ? api.faultAnswer(status) : await call.run(effects);
  } catch (error) {
    answer = api.crashAnswer(error);
  }
  if (drop?.when === 'after') return void incoming.socket.destroy();
  if (status?.when === 'after') answer = api.faultAnswer(status);
  // As proxies write it down when the caller has gone.
  request.log.status = request.gone.aborted ? 499 : answer.status;
  await send(response, answer);
  // What a fault left unread must not be taken for the next request.
  incoming.resume();
}

function openRequest(incoming: IncomingMessage, response: ServerResponse, at: number): ApiRequest {
  const url = new URL(incoming.url ?? '/', 'http://emulator');
  const method = incoming.method ?? 'GET';
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  return {
    method,
    url,
    headers: incoming.headers,
    stream: incoming,
    gone: gone.signal,
    async text() {
      const chunks: Uint8Array[] = [];
      for await (const chunk of incoming) chunks.push(chunk);
      return Buffer.concat(chunks).toString('utf8');
    },
    log: {
      method,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      body: undefined,
      rpc: undefined,
      status: undefined,
      member: undefined,
      at,
    },
  };
}

async function send(response: ServerResponse, answer: Answer): Promise<void> {
  if (answer.stream) {
    response.writeHead(answer.status, answer.headers);
    return pipeline(answer.stream, response);
  }
  const text = answer.body === undefined ? '' : JSON.stringify(answer.body);
  response.writeHead(answer.status, {
    ...(answer.body === undefined ? {} : { 'content-type': 'application/json; charset=UTF-8' }),
    'content-length': String(Buffer.byteLength(text)),
    ...answer.headers,
  });
  response.end(text);
}
