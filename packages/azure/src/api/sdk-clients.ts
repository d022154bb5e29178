import type { AzureTokenSource } from '../options.ts';
import type { AzureSettings } from '../settings.ts';
import { createTokenSource, tokensFor } from './credentials.ts';
import type { Pace } from '../throttle/pace.ts';
import { OperationBodies } from './operation-bodies.ts';
import { loadRaw, type RawClient } from './raw-calls.ts';
import { WholeBodies } from './whole-bodies.ts';
import { loadAuthorization, loadCompute, type SdkClient } from './sdk.ts';

/** The SDK's clients, one of each kind for each subscription, made at their first use with one source of tokens. */
export class SdkClients {
  /** What operations have ended with. */
  readonly bodies = new OperationBodies();
  /** What the SDK would drop. */
  readonly whole = new WholeBodies();
  readonly #settings: AzureSettings;
  readonly #pace: Pace;
  readonly #compute = new Map<string, Promise<SdkClient>>();
  readonly #raw = new Map<string, Promise<RawClient>>();
  readonly #authorization = new Map<string, Promise<SdkClient>>();
  #source: Promise<AzureTokenSource | undefined> | undefined;
  /** The token that all clients send where there is no TLS. */
  #token: (() => Promise<string>) | undefined;

  /** @param pace - How fast calls may be made. */
  constructor(settings: AzureSettings, pace: Pace) {
    this.#settings = settings;
    this.#pace = pace;
  }

  /** The client of Compute for a subscription. */
  compute(subscription: string): Promise<SdkClient> {
    return remembered(this.#compute, subscription, async () => {
      const { Client } = await loadCompute();
      const { endpoint, scope } = this.#settings;
      const { source, options } = await this.#surroundings();
      const client = new Client(source, subscription, {
        endpoint,
        credentials: { scopes: [scope] },
        ...options,
      });
      return this.#withoutTls(client);
    });
  }

  /** What sends requests that the client of Compute has no method for, with all that goes with its own. */
  raw(subscription: string): Promise<RawClient> {
    return remembered(this.#raw, subscription, async () => {
      const create = await loadRaw();
      const { endpoint, scope } = this.#settings;
      const { source, options } = await this.#surroundings();
      const client = create(source, subscription, {
        endpoint,
        credentials: { scopes: [scope] },
        ...options,
      });
      return this.#withoutTls(client);
    });
  }

  /** The client of Authorization for a subscription. */
  authorization(subscription: string): Promise<SdkClient> {
    return remembered(this.#authorization, subscription, async () => {
      const Client = await loadAuthorization();
      const { endpoint, scope } = this.#settings;
      const { source, options } = await this.#surroundings();
      const client = new Client(source, subscription, {
        endpoint,
        credentialScopes: scope,
        ...options,
      });
      return this.#withoutTls(client);
    });
  }

  async #surroundings() {
    this.#source ??= createTokenSource(this.#settings);
    const source = await this.#source;
    return {
      // The SDK takes no client without a source of tokens; without TLS it is not asked.
      source: source ?? { getToken: async () => null },
      options: {
        allowInsecureConnection: !this.#secure,
        retryOptions: { maxRetries: 0 },
        userAgentOptions: { userAgentPrefix: 'imgkit' },
        additionalPolicies: [this.#pace.policy, this.bodies.policy, this.whole.policy].map(
          (policy) => ({
            policy,
            position: 'perRetry',
          }),
        ),
      },
    };
  }

  get #secure(): boolean {
    return this.#settings.endpoint.startsWith('https:');
  }

  /** The SDK refuses to send tokens without TLS; to an emulator they are sent all the same. */
  async #withoutTls<T extends SdkClient>(client: T): Promise<T> {
    if (this.#secure) return client;
    const source = await this.#source;
    const { scope } = this.#settings;
    client.pipeline.removePolicy({ name: 'bearerTokenAuthenticationPolicy' });
    if (source === undefined) return client;
    const token = (this.#token ??= tokensFor(source, scope));
    client.pipeline.addPolicy({
      name: 'imgkitBearerToken',
      async sendRequest(request, next) {
        request.headers.set('authorization', `Bearer ${await token()}`);
        return next(request);
      },
    });
    return client;
  }
}

/** What is made once for each key; what failed is tried again. */
function remembered<T>(
  known: Map<string, Promise<T>>,
  key: string,
  make: () => Promise<T>,
): Promise<T> {
  const found = known.get(key.toLowerCase());
  if (found !== undefined) return found;
  const made = make();
  known.set(key.toLowerCase(), made);
  made.catch(() => known.delete(key.toLowerCase()));
  return made;
}
