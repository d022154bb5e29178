import { once } from 'node:events';
import { createServer } from 'node:https';

import type { Certificate } from '../../core/test/self-signed.ts';

/** An application that may sign in. */
export interface Application {
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** The token that it gets. */
  readonly token: string;
}

/** Entra ID, as far as applications sign in there: the OAuth 2.0 client credentials flow, over TLS. */
export interface TokenServer extends AsyncDisposable {
  /** `https://127.0.0.1:34567` */
  readonly authority: string;
  /** What tokens were asked for with. */
  readonly asked: readonly URLSearchParams[];
}

/** https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow */
export async function startTokenServer(
  certificate: Certificate,
  application: Application,
): Promise<TokenServer> {
  const asked: URLSearchParams[] = [];
  const { tenantId, clientId, clientSecret, token } = application;
  const server = createServer(certificate, async (request, response) => {
    const answer = (status: number, body: object): void =>
      void response
        .writeHead(status, { 'content-type': 'application/json' })
        .end(JSON.stringify(body));
    const place = `https://${request.headers.host ?? ''}/${tenantId}`;
    if (request.url?.startsWith(`/${tenantId}/v2.0/.well-known/openid-configuration`) === true)
      return answer(200, {
        issuer: `${place}/v2.0`,
        authorization_endpoint: `${place}/oauth2/v2.0/authorize`,
        token_endpoint: `${place}/oauth2/v2.0/token`,
        jwks_uri: `${place}/discovery/v2.0/keys`,
      });
    if (request.method !== 'POST' || !request.url?.startsWith(`/${tenantId}/oauth2/v2.0/token`))
      return answer(404, { error: 'not_found' });
    let form = '';
    for await (const chunk of request) form += String(chunk);
    const fields = new URLSearchParams(form);
    asked.push(fields);
    if (fields.get('client_id') === clientId && fields.get('client_secret') === clientSecret)
      return answer(200, { token_type: 'Bearer', expires_in: 3599, access_token: token });
    return answer(401, {
      error: 'invalid_client',
      error_description: `AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${clientId}'.`,
      error_codes: [7000215],
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  return {
    authority: `https://127.0.0.1:${port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}
