import { readFile } from 'node:fs/promises';

import { ImgkitError } from '@imgkit/core';
import type { AuthClient, GoogleAuth, OAuth2Client } from 'google-auth-library';

import type { GceCredentials } from '../options.ts';
import { isWireObject, text, type WireObject } from './wire.ts';

/** The permission that calls of Compute Engine and of Cloud Storage need, for credentials that take scopes. */
const scope = 'https://www.googleapis.com/auth/cloud-platform';

/** Is told the headers of each answer. */
export type HeaderListener = (headers: Headers) => void;

/** Where credentials come from, for messages. */
export type TriedSources = readonly string[];

/** What {@link Credentials} are made of. */
export interface CredentialsParts {
  readonly credentials: GceCredentials;
  readonly project: string;
  readonly universeDomain: string | undefined;
  /** Where credentials were looked for, in the order in which Google's library looks. */
  readonly tried: TriedSources;
  readonly onHeaders?: HeaderListener | undefined;
}

const setUp =
  'Run gcloud auth application-default login, set GOOGLE_APPLICATION_CREDENTIALS to a key file, or give the option credentials.';

/** What to do about credentials that are refused. */
const renewals: Readonly<Record<GceCredentials['kind'], string>> = {
  default: setUp,
  impersonate: setUp,
  none: 'Say who it is in the option credentials: this server wants to know.',
  file: 'See whether the key in the file is still valid, and its service account enabled; else download another one.',
  token: 'Renew the token. A function for it is asked again each time one is needed.',
};

/** Who the provider is to Google. Looked up at first use, and again after a failure. */
export class Credentials {
  readonly #parts: CredentialsParts;
  #opening: Promise<GoogleAuth> | undefined;

  constructor(parts: CredentialsParts) {
    this.#parts = parts;
  }

  /**
   * What Google's clients take to sign their calls.
   *
   * @throws ImgkitError with `UNAUTHENTICATED` and what was tried, or `INVALID_ARGUMENT` for a file that isn't one.
   */
  async auth(): Promise<GoogleAuth> {
    const opening = (this.#opening ??= this.#open());
    try {
      return await opening;
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined;
      throw this.refused(error);
    }
  }

  /**
   * Makes sure that there is a token that is still good, so that trouble with it isn't taken for trouble with a call.
   *
   * @throws ImgkitError with `UNAUTHENTICATED`, or `UNAVAILABLE` if nobody answered.
   */
  async refresh(): Promise<void> {
    const client = await (await this.auth()).getClient();
    await client.getRequestHeaders().catch((error: unknown) => {
      throw this.refused(error);
    });
  }

  /** The error of credentials that could not be had, or were not taken. */
  refused(error: unknown): ImgkitError {
    if (ImgkitError.is(error)) return error;
    const status = statusOf(error);
    const unreachable = status === undefined ? isNetworkTrouble(error) : status >= 500;
    const message = error instanceof Error ? error.message : String(error);
    const { kind } = this.#parts.credentials;
    if (unreachable)
      return new ImgkitError('UNAVAILABLE', `Google gave no token: ${message}`, {
        hint: 'Google can’t be reached, or has trouble: check the network and the proxy, and try again.',
        cause: error,
      });
    const tried = kind === 'default' || kind === 'impersonate' ? this.#parts.tried : [];
    return new ImgkitError(
      'UNAUTHENTICATED',
      tried.length === 0
        ? `Google refuses the credentials (kind "${kind}"): ${message}`
        : `no credentials for Google: ${message} Tried, in this order: ${tried.join('; ')}`,
      {
        hint: renewals[kind],
        data: { tried },
        cause: error,
      },
    );
  }

  async #open(): Promise<GoogleAuth> {
    const { GoogleAuth } = await import('google-auth-library');
    const { project, onHeaders, universeDomain } = this.#parts;
    const client = await this.#client();
    if (onHeaders !== undefined)
      client.transporter.interceptors.response.add({
        resolved: (response) => {
          onHeaders(response.headers);
          return Promise.resolve(response);
        },
      });
    const clientOptions = universeDomain === undefined ? {} : { universeDomain };
    return new GoogleAuth({ authClient: client, projectId: project, clientOptions });
  }

  async #client(): Promise<AuthClient> {
    const { credentials } = this.#parts;
    const { GoogleAuth, OAuth2Client, PassThroughClient } = await import('google-auth-library');
    switch (credentials.kind) {
      case 'none':
        return new PassThroughClient();
      case 'token': {
        const { token } = credentials;
        const client = new OAuth2Client(this.#universe());
        if (typeof token === 'string') client.setCredentials({ access_token: token });
        else {
          // Asked for every second at most: whoever gives a function keeps the token itself.
          client.eagerRefreshThresholdMillis = 0;
          client.refreshHandler = async () => ({
            access_token: await token(),
            expiry_date: Date.now() + 1_000,
          });
        }
        return client;
      }
      case 'file':
        return this.#fromFile(credentials.path);
      case 'impersonate': {
        const source = await new GoogleAuth({ scopes: scope }).getClient();
        return impersonating(new OAuth2Client(this.#universe()), source, credentials);
      }
      case 'default':
        return new GoogleAuth({ scopes: scope, clientOptions: this.#universe() }).getClient();
    }
  }

  #universe(): { universeDomain?: string } {
    const { universeDomain } = this.#parts;
    return universeDomain === undefined ? {} : { universeDomain };
  }

  async #fromFile(path: string): Promise<AuthClient> {
    const { GoogleAuth, JWT, UserRefreshClient } = await import('google-auth-library');
    const key = await readKeyFile(path);
    const [type, email] = [text(key, 'type'), text(key, 'client_email')];
    const [secret, refreshToken] = [text(key, 'private_key'), text(key, 'refresh_token')];
    if (type === 'service_account' && email !== undefined && secret !== undefined)
      return new JWT({ email, key: secret, scopes: [scope], ...this.#universe() });
    if (type === 'authorized_user' && refreshToken !== undefined) {
      const [clientId, clientSecret] = [text(key, 'client_id'), text(key, 'client_secret')];
      if (clientId !== undefined && clientSecret !== undefined)
        return new UserRefreshClient({ clientId, clientSecret, refreshToken });
    }
    if (type === 'external_account' || type === 'impersonated_service_account')
      return new GoogleAuth({ keyFilename: path, scopes: scope }).getClient();
    throw notAKeyFile(
      path,
      `its type is "${type ?? 'missing'}", or fields of that type are missing`,
    );
  }
}

/** Gets tokens of a service account with the credentials of somebody who may act as it. */
export function impersonating(
  client: OAuth2Client,
  source: AuthClient,
  { serviceAccount, delegates = [] }: Extract<GceCredentials, { kind: 'impersonate' }>,
): AuthClient {
  client.refreshHandler = async () => {
    const { data } = await source.request<unknown>({
      url: `https://iamcredentials.${client.universeDomain}/v1/${nameOf(serviceAccount)}:generateAccessToken`,
      method: 'POST',
      data: { delegates: delegates.map(nameOf), scope: [scope], lifetime: '3600s' },
    });
    const answer = isWireObject(data) ? data : undefined;
    const expiry = Date.parse(text(answer, 'expireTime') ?? '');
    return { access_token: text(answer, 'accessToken') ?? '', expiry_date: expiry };
  };
  return client;
}

function nameOf(account: string): string {
  return `projects/-/serviceAccounts/${account}`;
}

/** Reads a key file. What is in it never gets into an error. */
async function readKeyFile(path: string): Promise<WireObject> {
  const content = await readFile(path, 'utf8').catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ImgkitError('UNAUTHENTICATED', `the key file ${path} can't be read: ${reason}`, {
      resource: path,
      hint: 'Give the path of a JSON key file in the option credentials.',
      cause: error,
    });
  });
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch {
    // The parser's own message quotes the file.
    throw notAKeyFile(path, 'it is not JSON');
  }
  if (isWireObject(parsed)) return parsed;
  throw notAKeyFile(path, 'it is not a JSON object');
}

function notAKeyFile(path: string, why: string): ImgkitError {
  return new ImgkitError('INVALID_ARGUMENT', `${path} is not a key file: ${why}`, {
    resource: path,
    hint: 'Download a JSON key of the service account, or use gcloud auth application-default login.',
  });
}

function statusOf(error: unknown): number | undefined {
  const status: unknown = error instanceof Error ? Reflect.get(error, 'status') : undefined;
  return typeof status === 'number' ? status : undefined;
}

/** Whether an error is of a connection that could not be made. */
function isNetworkTrouble(error: unknown): boolean {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  return (
    typeof code === 'string' && /^E[A-Z]+$/.test(code) && code !== 'ENOENT' && code !== 'EACCES'
  );
}
