import { describe, expect, it } from 'vitest';

import { fakeTransport, settings, textOf, tokenAnswer } from '../../test/fake-cloud.ts';
import { Secret } from '../configuration/secret.ts';
import type { CloudSettings } from '../configuration/cloud-settings.ts';
import { signIn } from './sign-in.ts';

async function asked(change: Partial<CloudSettings>): Promise<unknown> {
  const { send, requests } = fakeTransport(() => tokenAnswer('t1'));
  await signIn({ ...settings, ...change }, send);
  return JSON.parse(textOf(requests[0]));
}

const user = { name: 'acme', domain: { name: 'Users' } };
const secret = new Secret('hidden-1');

describe('signing in', () => {
  it.each([
    [
      'a password',
      { credentials: { kind: 'password', user, password: secret } },
      {
        identity: {
          methods: ['password'],
          password: { user: { name: 'acme', domain: { name: 'Users' }, password: 'hidden-1' } },
        },
        scope: { project: { name: 'images', domain: { id: 'default' } } },
      },
    ],
    [
      'an API key, in the place of the password',
      { credentials: { kind: 'api-key', user: { id: 'u1', domain: {} }, apiKey: secret } },
      {
        identity: {
          methods: ['password'],
          password: { user: { id: 'u1', password: 'hidden-1' } },
        },
        scope: { project: { name: 'images', domain: { id: 'default' } } },
      },
    ],
    [
      'an application credential, without a scope',
      {
        project: undefined,
        credentials: {
          kind: 'application-credential',
          credential: { name: 'ci' },
          user,
          secret,
        },
      },
      {
        identity: {
          methods: ['application_credential'],
          application_credential: {
            name: 'ci',
            user: { name: 'acme', domain: { name: 'Users' } },
            secret: 'hidden-1',
          },
        },
      },
    ],
    [
      'a token',
      { credentials: { kind: 'token', token: secret }, project: { id: 'p1', domain: {} } },
      {
        identity: { methods: ['token'], token: { id: 'hidden-1' } },
        scope: { project: { id: 'p1' } },
      },
    ],
  ] satisfies [string, Partial<CloudSettings>, unknown][])(
    'sends %s to identity v3',
    async (_, change, auth) => {
      expect(await asked(change)).toEqual({ auth });
    },
  );

  it('speaks identity v2.0 with the classic cloud, and understands its answer', async () => {
    const { send, requests } = fakeTransport(() => ({
      json: {
        access: {
          token: {
            id: 't1',
            expires: '2026-11-21T07:00:00.000-05:00',
            tenant: { id: '123456', name: '123456' },
          },
          user: { 'RAX-AUTH:defaultRegion': 'DFW' },
          serviceCatalog: [
            {
              type: 'image',
              name: 'cloudImages',
              endpoints: [{ region: 'DFW', publicURL: 'https://dfw.test/v2/123456' }],
            },
          ],
        },
      },
    }));
    const token = await signIn(
      {
        ...settings,
        authUrl: 'https://identity.test/v2.0',
        identityVersion: '2.0',
        credentials: { kind: 'api-key', user, apiKey: secret },
        project: { id: '123456', domain: {} },
      },
      send,
    );
    expect(requests[0]?.url).toBe('https://identity.test/v2.0/tokens');
    expect(JSON.parse(textOf(requests[0]))).toEqual({
      auth: {
        'RAX-KSKEY:apiKeyCredentials': { username: 'acme', apiKey: 'hidden-1' },
        tenantId: '123456',
      },
    });
    expect(token).toMatchObject({
      project: { id: '123456' },
      defaultRegion: 'DFW',
      expiresAt: Date.parse('2026-11-21T12:00:00Z'),
      catalog: [
        {
          type: 'image',
          name: 'cloudImages',
          region: 'DFW',
          interface: 'public',
          url: 'https://dfw.test/v2/123456',
        },
      ],
    });
  });

  it('asks an address without a version which it speaks', async () => {
    const { send, requests } = fakeTransport(({ method }) =>
      method === 'GET'
        ? { status: 300, json: { versions: { values: [{ id: 'v3.14' }, { id: 'v2.0' }] } } }
        : tokenAnswer('t1'),
    );
    await signIn({ ...settings, authUrl: 'https://k.test', identityVersion: undefined }, send);
    expect(requests.map(({ url }) => url)).toEqual([
      'https://k.test',
      'https://k.test/v3/auth/tokens',
    ]);
    const other = fakeTransport(() => ({ json: { hello: 'world' } }));
    await expect(
      signIn({ ...settings, authUrl: 'https://k.test', identityVersion: undefined }, other.send),
    ).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });

  it('reckons the end of a token by its life, whatever the clocks say', async () => {
    const answer = {
      ...tokenAnswer('t1'),
      json: { token: { issued_at: '2001-01-01T00:00:00Z', expires_at: '2001-01-01T01:00:00Z' } },
    };
    const { send } = fakeTransport(() => answer);
    const { issuedAt, expiresAt } = await signIn(settings, send);
    expect(expiresAt - issuedAt).toBe(3_600_000);
    expect(expiresAt).toBeGreaterThan(Date.now());
  });

  it('refuses an answer without a token', async () => {
    const { send } = fakeTransport(() => ({ status: 201, json: { token: {} } }));
    await expect(signIn(settings, send)).rejects.toMatchObject({ code: 'PROTOCOL' });
  });
});
