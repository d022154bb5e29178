import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** Passes requests on to services, and may lose the answers of those that change something. */
export class LossyProxy implements AsyncDisposable {
  /** The kinds of changes that were answered with success. */
  readonly changes = new Set<string>();
  readonly #server = createServer((incoming, outgoing) => void this.#pass(incoming, outgoing));
  /** Whether services say what versions they have. */
  tellsVersions = true;
  readonly #services: Readonly<Record<string, string>>;
  #answered: ReadonlySet<string> | undefined;
  #lost: ((kind: string) => void) | undefined;

  private constructor(services: Readonly<Record<string, string>>) {
    this.#services = services;
  }

  /** @param services - By the first part of the path, the address that what follows goes behind. */
  static async open(services: Readonly<Record<string, string>>): Promise<LossyProxy> {
    const proxy = new LossyProxy(services);
    const { promise, resolve } = Promise.withResolvers<void>();
    proxy.#server.listen(0, '127.0.0.1', resolve);
    await promise;
    return proxy;
  }

  /** Where a service is reached through it. */
  url(service: string): string {
    const address = this.#server.address();
    if (!isAddress(address)) throw new Error('the proxy is closed');
    return `http://127.0.0.1:${address.port}/${service}`;
  }

  /** Loses the answer of the next change of a kind that isn't among `answered`; tells which it was. */
  async lose(answered: ReadonlySet<string>): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#answered = answered;
    this.#lost = resolve;
    return promise;
  }

  /** Loses nothing any more. */
  answer(): void {
    this.#answered = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }

  async #pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = incoming;
    const [, service = '', path = ''] = /^\/([^/]+)(.*)$/s.exec(url) ?? [];
    if (!this.tellsVersions && /^(?:\/v[\d.]+)?\/?$/.test(path)) {
      outgoing.writeHead(404).end();
      return;
    }
    const reads = method === 'GET' || method === 'HEAD';
    const body = reads ? Buffer.alloc(0) : await buffer(incoming);
    const kind = `${service}: ${kindOf(method, path, body)}`;
    const passed = request(`${this.#services[service]}${path}`, { method, headers });
    passed.once('error', () => outgoing.destroy());
    passed.once('response', (answer) => {
      const isChange =
        !reads && !kind.endsWith(' os-getConsoleOutput') && (answer.statusCode ?? 500) < 300;
      // It was carried out, and whoever asked for it never hears so.
      if (isChange && this.#answered?.has(kind) === false) {
        this.#answered = undefined;
        answer.resume();
        this.#lost?.(kind);
        return;
      }
      if (isChange) this.changes.add(kind);
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    passed.end(body);
  }
}

/** What a request does, without what differs each time: `POST /servers/*\/action os-stop`. */
function kindOf(method: string, path: string, body: Buffer): string {
  const place = path
    .replace(/\?.*$/s, '')
    .replaceAll(/[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}|imgkit-owned-[\w-]+/g, '*');
  return [method, place, ...wordsOf(body)].join(' ');
}

/** Of an action its name, of a change of properties the first of them. */
function wordsOf(body: Buffer): readonly string[] {
  let content: unknown;
  try {
    content = JSON.parse(body.toString());
  } catch {
    return [];
  }
  const first: unknown = Array.isArray(content) ? content[0] : undefined;
  if (typeof first === 'object' && first !== null) return [String(Reflect.get(first, 'path'))];
  return Object.keys(Object(content)).slice(0, 1);
}

function isAddress(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}
