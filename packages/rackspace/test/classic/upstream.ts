import type { Accounts } from './accounts.ts';
import type { Call, Reply } from './wire.ts';

/** What of a request is different from the one that came in. */
export interface Forwarded {
  readonly method?: string | undefined;
  readonly path?: string | undefined;
  readonly query?: URLSearchParams | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | undefined;
  /** Changes the JSON of a good answer. */
  readonly change?: ((content: unknown) => unknown) | undefined;
}

/** A real service behind the classic one. */
export class Upstream {
  readonly #base: string;
  readonly #accounts: Accounts;

  /** @param base - Its address with its version. */
  constructor(base: string, accounts: Accounts) {
    this.#base = base;
    this.#accounts = accounts;
  }

  /** Asks it with a token. */
  async ask(
    token: string,
    path: string,
    init: RequestInit & { readonly duplex?: 'half' } = {},
  ): Promise<Response> {
    const headers = { accept: 'application/json', ...Object(init.headers), 'x-auth-token': token };
    return fetch(`${this.#base}${path}`, { ...init, headers });
  }

  /** Hands a request on, and its answer back with account numbers for projects. */
  async forward(call: Call, over: Forwarded = {}): Promise<Reply> {
    const { method = call.method, path = call.path, query = call.query } = over;
    const search = query.size === 0 ? '' : `?${query.toString()}`;
    const response = await this.ask(call.token, `${path}${search}`, {
      method,
      headers: { ...over.headers },
      ...(over.body !== undefined && { body: over.body }),
    });
    const said = this.#accounts.outward(await response.text());
    const headers: Record<string, string> = {};
    for (const name of [
      'content-type',
      'x-openstack-request-id',
      'x-compute-request-id',
      'location',
    ]) {
      const value = response.headers.get(name);
      if (value !== null) headers[name] = value;
    }
    if (response.ok && over.change !== undefined && said !== '')
      return { status: response.status, headers, json: over.change(JSON.parse(said)) };
    return { status: response.status, headers, ...(said !== '' && { body: said }) };
  }
}
