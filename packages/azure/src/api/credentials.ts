import { ImgkitError } from '@imgkit/core';

import type { AzureTokenSource } from '../options.ts';
import type { AzureSettings } from '../settings.ts';

/** Makes what gives tokens; `@azure/identity` is loaded only if it is needed. Nothing where there are no credentials. */
export async function createTokenSource({
  credentials,
  authority,
}: Pick<AzureSettings, 'credentials' | 'authority'>): Promise<AzureTokenSource | undefined> {
  switch (credentials.kind) {
    case 'none':
      return undefined;
    case 'own':
      return credentials.credential;
    case 'default': {
      const { DefaultAzureCredential } = await import('@azure/identity');
      const { tenantId } = credentials;
      return new DefaultAzureCredential({
        authorityHost: authority,
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
      return new ClientSecretCredential(tenantId, clientId, clientSecret, {
        authorityHost: authority,
      });
    }
  }
}

/** A token for requests, or the reason why there is none. */
export async function tokenFor(source: AzureTokenSource, scope: string): Promise<string> {
  const given = await source.getToken(scope);
  if (given !== null) return given.token;
  throw new ImgkitError('UNAUTHENTICATED', `the credentials give no token for ${scope}`, {
    hint: 'Check the credentials that azure({ credentials }) was given.',
  });
}
