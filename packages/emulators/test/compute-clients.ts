import { createRequire } from 'node:module';
import { vi } from 'vitest';

// The first of Google's clients reads 12 MB, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

/** What Google's clients answer, without their types: those take a compiler seconds. */
export interface GoogleAnswer {
  readonly [field: string]: unknown;
  /** The operation, of a call that starts one. */
  readonly latestResponse: { readonly name: string; readonly [field: string]: unknown };
}

/** A method of one of Google's clients. */
export type GoogleCall = (
  request: object,
  options?: object,
) => Promise<readonly [GoogleAnswer, unknown, unknown]>;

/** One of Google's clients. */
export interface GoogleClient {
  readonly [method: string]: GoogleCall;
}

/** Google's own clients, pointed at an emulator. */
export interface ComputeClients extends AsyncDisposable {
  /** Calls a method of the client of a service: `images`, `zone_operations`. */
  call(service: string, method: string, request: object, options?: object): ReturnType<GoogleCall>;
  /** Waits for the operation that a call started, and gives it. */
  settle(started: readonly [GoogleAnswer, ...unknown[]]): Promise<GoogleAnswer>;
}

/**
 * @param token - whose requests they make; the owner's by default.
 */
export function computeClients(endpoint: string, token?: string): ComputeClients {
  const require = createRequire(import.meta.url);
  // The client's own dependencies are found from where it is.
  const gax = createRequire(require.resolve('@google-cloud/compute')).resolve('google-gax');
  const { GoogleAuth, PassThroughClient, OAuth2Client } = createRequire(gax)('google-auth-library');
  const authClient = token === undefined ? new PassThroughClient() : new OAuth2Client();
  if (token !== undefined) authClient.setCredentials({ access_token: token });
  const { hostname, port } = new URL(endpoint);
  const made = new Map<string, GoogleClient>();

  const of = (service: string): GoogleClient => {
    const known = made.get(service);
    if (known) return known;
    const exported = require(`@google-cloud/compute/build/src/v1/${service}_client.js`);
    const name = service.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
    const Client = exported[`${name}Client`];
    const client: GoogleClient = new Client({
      apiEndpoint: hostname,
      port: Number(port),
      protocol: 'http',
      auth: new GoogleAuth({ authClient }),
    });
    made.set(service, client);
    return client;
  };
  const call = (service: string, method: string, request: object, options?: object) => {
    const client = of(service);
    const found = client[method];
    if (!found) throw new Error(`Google's client of ${service} has no method ${method}.`);
    return found.call(client, request, options);
  };
  return {
    call,
    async settle([{ latestResponse: operation }]) {
      const [, , , project, place = '', location] = new URL(String(operation['selfLink'])).pathname
        .slice(1)
        .split('/');
      const service = place === 'zones' ? 'zone' : place === 'regions' ? 'region' : 'global';
      const [done] = await call(`${service}_operations`, 'wait', {
        project,
        ...(service === 'global' ? {} : { [service]: location }),
        operation: operation.name,
      });
      return done;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...made.keys()].map((service) => call(service, 'close', {})));
    },
  };
}
