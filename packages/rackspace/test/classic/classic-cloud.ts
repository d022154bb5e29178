import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';

import { Accounts } from './accounts.ts';
import { AutoScale } from './auto-scale.ts';
import { CloudFiles } from './cloud-files.ts';
import { Faults } from './faults.ts';
import { signIn } from './identity-service.ts';
import { ImageSchedules } from './image-schedules.ts';
import { ImageService } from './image-service.ts';
import { ImageTasks } from './image-tasks.ts';
import { ObjectStore } from './object-store.ts';
import { ServerService } from './server-service.ts';
import { Upstream } from './upstream.ts';
import { faultRefusal, htmlRefusal, Refusal, type Reply, type Service } from './wire.ts';

/** The real services behind. */
export interface ClassicCloudOptions {
  /** Keystone, with `/v3`. */
  readonly identity: string;
  /** Glance, without a version. */
  readonly image: string;
  /** Nova, with its version. */
  readonly compute: string;
  readonly users: readonly string[];
  readonly password: string;
}

/**
 * A front that speaks the classic Rackspace public cloud, with a real Keystone, Glance and Nova behind it: identity
 * v2.0, the catalogue by name, image tasks over Cloud Files, no microversions, schedules and Auto Scale.
 */
export class ClassicCloud {
  readonly faults = new Faults();
  readonly store = new ObjectStore();
  /** What was asked for, as `METHOD /path`. */
  readonly requests: string[] = [];
  readonly accounts: Accounts;
  readonly tasks: ImageTasks;
  readonly scale: AutoScale;
  readonly #schedules: ImageSchedules;
  readonly #services: Readonly<Record<string, Service>>;
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  #ahead = 0;

  private constructor(accounts: Accounts, image: string, compute: string, clock: () => number) {
    this.accounts = accounts;
    const glance = new Upstream(`${image}/v2`, accounts);
    const nova = new Upstream(compute, accounts);
    this.tasks = new ImageTasks(glance, this.store, clock);
    this.scale = new AutoScale(nova, accounts);
    this.#schedules = new ImageSchedules(nova, glance, accounts);
    this.#services = {
      images: new ImageService(glance, this.tasks, accounts).serve,
      servers: new ServerService(nova, this.#schedules).serve,
      files: new CloudFiles(this.store, clock).serve,
      autoscale: this.scale.serve,
    };
  }

  static async start(options: ClassicCloudOptions): Promise<ClassicCloud> {
    const { identity, image, compute, users, password } = options;
    let cloud: ClassicCloud | undefined;
    const clock = (): number => cloud?.now() ?? Date.now();
    const accounts = await Accounts.open(identity, users, password, clock);
    cloud = new ClassicCloud(accounts, image, compute, clock);
    const { promise, resolve } = Promise.withResolvers<void>();
    cloud.#server.listen(0, '127.0.0.1', resolve);
    await promise;
    return cloud;
  }

  get origin(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  }

  now(): number {
    return Date.now() + this.#ahead;
  }

  /** Lets time pass for tokens, tasks and schedules. */
  async advance(ms: number): Promise<void> {
    const before = this.now();
    this.#ahead += ms;
    await this.#schedules.pass(before, this.now());
  }

  async close(): Promise<void> {
    await this.scale.settled();
    this.#server.closeAllConnections();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    await promise;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.origin);
    const line = `${request.method} ${url.pathname}`;
    this.requests.push(line);
    const fault = this.faults.hit(line);
    if (fault?.kind === 'cut') {
      request.socket.destroy();
      return;
    }
    let reply: Reply;
    try {
      if (fault?.kind === 'throttle') throw throttled();
      if (fault?.kind === 'expired') throw faultRefusal(401, 'unauthorized', 'Token has expired');
      reply = await this.#reply(request, url);
    } catch (error) {
      reply =
        error instanceof Refusal
          ? error.reply
          : { status: 500, json: { computeFault: { code: 500, message: String(error) } } };
    }
    // What isn't read would be taken for the next request.
    request.resume();
    fault?.onDone?.();
    if (fault?.kind === 'lost') request.socket.destroy();
    else send(response, reply);
  }

  async #reply(request: IncomingMessage, url: URL): Promise<Reply> {
    const { method = 'GET', headers } = request;
    const { pathname, searchParams: query } = url;
    if (pathname === '/identity/v2.0/tokens' && method === 'POST')
      return signIn(this.accounts, await text(request), this.origin);
    if (pathname === '/images/') return ImageService.versions();
    if (pathname === '/servers/') return ServerService.versions();
    const place = /^\/([a-z]+)\/v[\d.]+\/(?:MossoCloudFS_)?(\d+)(\/.*)?$/.exec(pathname);
    const [, name = '', number, path = '/'] = place ?? [];
    const serve = this.#services[name];
    if (serve === undefined) throw htmlRefusal(404, 'The resource could not be found.');
    const account = this.accounts.holder(headers['x-auth-token']);
    if (account.number !== number) throw htmlRefusal(403, 'This is another account.');
    const token = String(headers['x-auth-token']);
    return serve({ method, path, query, headers, body: request, account, token });
  }
}

/** How the classic cloud says that there were too many requests. */
function throttled(): Refusal {
  const message = 'This request was rate-limited.';
  return new Refusal({
    status: 413,
    headers: { 'retry-after': '1' },
    json: { overLimit: { code: 413, message, details: message, retryAfter: '1' } },
  });
}

function send(response: ServerResponse, reply: Reply): void {
  const { status, headers = {}, json, body } = reply;
  const said = json === undefined ? (body ?? '') : JSON.stringify(json);
  response.writeHead(status, {
    ...(json !== undefined && { 'content-type': 'application/json' }),
    'x-compute-request-id': `req-${status}`,
    ...headers,
  });
  response.end(said);
}
