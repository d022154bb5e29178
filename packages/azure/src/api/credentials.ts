import { ImgkitError } from '@imgkit/core';

import type { AzureCredentials, AzureTokenSource } from '../options.ts';
import type { AzureSettings } from '../settings.ts';

/** What to do about credentials that are refused. */
const renewals: Readonly<Record<AzureCredentials['kind'], string>> = {
  default:
    'Sign in with az login, or set AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET, or give the option credentials.',
  'managed-identity':
    'Give the machine an identity, and name its client id if it has several: az vm identity assign …',
  'client-secret':
    'Check tenant, client id and secret; a new secret comes from az ad app credential reset.',
  own: 'Check the credentials that azure({ credentials }) was given.',
  none: 'Say who it is in the option credentials: this server wants to know.',
};

/**
 * Makes what gives tokens; `@azure/identity` is loaded only if it is needed. Nothing where there are no credentials.
 * Whatever goes wrong with it later is `UNAUTHENTICATED`, or `UNAVAILABLE` when nobody answered, and holds no secret.
 */
export async function createTokenSource(
  settings: Pick<AzureSettings, 'credentials' | 'authority' | 'knownAuthority'>,
): Promise<AzureTokenSource | undefined> {
  const { credentials } = settings;
  const source = await open(settings);
  return (
    source && {
      async getToken(scopes, options) {
        try {
          return await source.getToken(scopes, options);
        } catch (error) {
          options?.abortSignal?.throwIfAborted();
          throw identityError(error, credentials);
        }
      },
    }
  );
}

async function open({
  credentials,
  authority,
  knownAuthority,
}: Parameters<typeof createTokenSource>[0]): Promise<AzureTokenSource | undefined> {
  // An authority of one's own isn't in Microsoft's list of them.
  const options = { authorityHost: authority, disableInstanceDiscovery: !knownAuthority };
  switch (credentials.kind) {
    case 'none':
      return undefined;
    case 'own':
      return credentials.credential;
    case 'default': {
      const { DefaultAzureCredential } = await import('@azure/identity');
      const { tenantId } = credentials;
      return new DefaultAzureCredential({
        ...options,
        ...(tenantId === undefined ? {} : { tenantId }),
      });
    }
    case 'managed-identity': {
      const { ManagedIdentityCredential } = await import('@azure/identity');
      const { clientId } = credentials;
      return clientId === undefined
        ? new ManagedIdentityCredential()
        : new ManagedIdentityCredential({ clientId });
    }
    case 'client-secret': {
      const { ClientSecretCredential } = await import('@azure/identity');
      const { tenantId, clientId, clientSecret } = credentials;
      return new ClientSecretCredential(tenantId, clientId, clientSecret, options);
    }
  }
}

/** What went wrong with credentials, without their secrets: the error itself may hold the request that was made with them. */
function identityError(error: unknown, credentials: AzureCredentials): ImgkitError {
  if (ImgkitError.is(error)) return error;
  const { kind } = credentials;
  const said = error instanceof Error ? error.message : String(error);
  const message =
    kind === 'client-secret' ? said.replaceAll(credentials.clientSecret, '***') : said;
  const cause = Object.assign(new Error(message), {
    name: error instanceof Error ? error.name : 'Error',
  });
  if (isNetworkTrouble(error))
    return new ImgkitError('UNAVAILABLE', `Entra ID gave no token: ${message}`, {
      hint: 'It can’t be reached, or has trouble: check the network and the proxy, and try again.',
      cause,
    });
  return new ImgkitError('UNAUTHENTICATED', `no token of the credentials (${kind}): ${message}`, {
    hint: renewals[kind],
    cause,
  });
}

/** Whether an error is of a connection that could not be made; libraries say so only in words, too. */
function isNetworkTrouble(error: unknown): boolean {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  const words = error instanceof Error ? error.message : '';
  const inCode =
    typeof code === 'string' && /^E(?:CONN|NOTFOUND|AI_AGAIN|TIMEDOUT|HOST|NET)/.test(code);
  return (
    inCode ||
    /\b(?:ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|network_error)\b/.test(words)
  );
}

/** How long before its end a token is no longer used, in milliseconds. */
const margin = 2 * 60_000;

/** Gives a token for requests, and keeps it while it is good; or says why there is none. */
export function tokensFor(source: AzureTokenSource, scope: string): () => Promise<string> {
  let held: Awaited<ReturnType<AzureTokenSource['getToken']>> = null;
  return async () => {
    if (held === null || held.expiresOnTimestamp < Date.now() + margin)
      held = await source.getToken(scope);
    if (held !== null) return held.token;
    throw new ImgkitError('UNAUTHENTICATED', `the credentials give no token for ${scope}`, {
      hint: 'Check the credentials that azure({ credentials }) was given.',
    });
  };
}
