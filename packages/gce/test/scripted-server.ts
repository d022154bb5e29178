import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/** A request as the server got it. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

/** What a request is answered with; `drop` closes the connection instead. */
export type Answer =
  | { readonly status?: number; readonly body?: unknown; readonly headers?: Record<string, string> }
  | 'drop'
  | 'hang';

/** Answers a request; what it throws is answered with 500. */
export type Script = (request: SeenRequest, count: number) => Answer | Promise<Answer>;

/** A server of a few lines in place of Google's. */
export class ScriptedServer {
  readonly requests: SeenRequest[] = [];
  readonly #server: Server;
  #arrived = Promise.withResolvers<void>();

  private constructor(script: Script) {
    this.#server = createServer((request, response) => {
      void this.#handle(script, request, response);
    });
  }

  static async start(script: Script): Promise<ScriptedServer> {
    const server = new ScriptedServer(script);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get endpoint(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the server is closed');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Resolves once so many requests have come. */
  async seen(count: number): Promise<void> {
    while (this.requests.length < count) await this.#arrived.promise;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(script: Script, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const text = Buffer.concat(chunks).toString();
    const url = new URL(request.url ?? '/', 'http://localhost');
    const seen: SeenRequest = {
      method: request.method ?? '',
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      headers: request.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
    this.requests.push(seen);
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers();
    const answer = await script(seen, this.requests.length);
    if (answer === 'hang') return;
    if (answer === 'drop') {
      request.socket.destroy();
      return;
    }
    const { status = 200, body = {}, headers = {} } = answer;
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  }
}

/** Google's form of an error. */
export function failure(status: number, reason: string, message = `it is ${reason}`): Answer {
  const error = { code: status, message, errors: [{ message, domain: 'global', reason }] };
  return { status, body: { error } };
}

/** An operation, as Google answers with one. */
export function operation(fields: Record<string, unknown> = {}): { readonly body: unknown } {
  const body = {
    kind: 'compute#operation',
    id: '7',
    name: 'operation-7',
    status: 'DONE',
    ...fields,
  };
  return { body };
}
