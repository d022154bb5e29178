import { ImgkitError } from '@imgkit/core';

import type {
  CloudSettings,
  Credentials,
  Named,
  NamedInDomain,
} from '../configuration/cloud-settings.ts';
import { readJson, type Transport } from '../http/transport.ts';
import { readVersions } from '../http/version-document.ts';
import { readV2Token, readV3Token, type Token } from './token.ts';

/** Gets a new token for the credentials. */
export async function signIn(
  settings: CloudSettings,
  send: Transport,
  signal?: AbortSignal,
): Promise<Token> {
  const version = settings.identityVersion ?? (await newestVersion(settings.authUrl, send, signal));
  const root = settings.authUrl.replace(/\/v(?:2\.0|2|3)$/, '');
  const headers = { 'content-type': 'application/json' };
  const now = Date.now();
  if (version === '3') {
    const body = JSON.stringify(v3Request(settings));
    const url = `${root}/v3/auth/tokens`;
    const response = await send({ method: 'POST', url, headers, body, signal });
    return readV3Token(
      readJson(response, 'the identity service'),
      response.headers.get('x-subject-token'),
      now,
    );
  }
  const body = JSON.stringify(v2Request(settings));
  const response = await send({
    method: 'POST',
    url: `${root}/v2.0/tokens`,
    headers,
    body,
    signal,
  });
  return readV2Token(readJson(response, 'the identity service'), now);
}

/** Keystone answers 300 where it could go on in several ways. */
async function newestVersion(
  url: string,
  send: Transport,
  signal: AbortSignal | undefined,
): Promise<'2.0' | '3'> {
  const response = await send({ method: 'GET', url, signal, accept: [300] });
  const offered = readVersions(readJson(response, url));
  const speaks = (major: number) => offered.some(({ version }) => version[0] === major);
  if (speaks(3)) return '3';
  if (speaks(2)) return '2.0';
  throw new ImgkitError('FAILED_PRECONDITION', `${url} is no identity service that is known`, {
    resource: url,
    hint: 'Give the address of Keystone, with /v3 at its end.',
  });
}

function v3Request({ credentials, project }: CloudSettings): object {
  return {
    auth: {
      identity: v3Identity(credentials),
      ...(project && { scope: { project: inDomain(project) } }),
    },
  };
}

function v3Identity(credentials: Credentials): object {
  switch (credentials.kind) {
    case 'password':
    case 'api-key': {
      // OpenStack Flex takes the API key in the place of the password.
      const secret = credentials.kind === 'password' ? credentials.password : credentials.apiKey;
      const user = { ...inDomain(credentials.user), password: secret.reveal() };
      return { methods: ['password'], password: { user } };
    }
    case 'token':
      return { methods: ['token'], token: { id: credentials.token.reveal() } };
    case 'application-credential': {
      const { credential, user, secret } = credentials;
      return {
        methods: ['application_credential'],
        application_credential: {
          ...(credential.id === undefined ? { name: credential.name } : { id: credential.id }),
          ...(user && { user: inDomain(user) }),
          secret: secret.reveal(),
        },
      };
    }
  }
}

/** An id says all; a name needs its domain. */
function inDomain({ id, name, domain }: NamedInDomain): object {
  return id === undefined ? { name, domain: idOrName(domain) } : { id };
}

function idOrName({ id, name }: Named): Named {
  return id === undefined ? { name } : { id };
}

function v2Request({ credentials, project }: CloudSettings): object {
  const tenant =
    project && (project.id === undefined ? { tenantName: project.name } : { tenantId: project.id });
  return { auth: { ...v2Identity(credentials), ...tenant } };
}

function v2Identity(credentials: Credentials): object {
  switch (credentials.kind) {
    case 'api-key': {
      const { user, apiKey } = credentials;
      const key = { username: user.name, apiKey: apiKey.reveal() };
      return { 'RAX-KSKEY:apiKeyCredentials': key };
    }
    case 'password': {
      const { user, password } = credentials;
      return { passwordCredentials: { username: user.name, password: password.reveal() } };
    }
    case 'token':
      return { token: { id: credentials.token.reveal() } };
    case 'application-credential':
      throw new ImgkitError('INVALID_ARGUMENT', 'identity v2.0 knows no application credentials', {
        hint: 'Give username and apiKey.',
      });
  }
}
