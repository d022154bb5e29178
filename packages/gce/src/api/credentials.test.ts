import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JWT, OAuth2Client, PassThroughClient, UserRefreshClient } from 'google-auth-library';
import { describe, expect, it, onTestFinished } from 'vitest';

import { ScriptedServer } from '../../test/scripted-server.ts';
import type { GceCredentials } from '../options.ts';
import { Credentials, impersonating } from './credentials.ts';

function open(credentials: GceCredentials): Credentials {
  return new Credentials({ credentials, project: 'acme', universeDomain: undefined, tried: [] });
}

async function headersOf(credentials: GceCredentials): Promise<string | null> {
  const client = await (await open(credentials).auth()).getClient();
  return (await client.getRequestHeaders()).get('authorization');
}

async function keyFile(content: object): Promise<GceCredentials> {
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-gce-key-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const path = join(directory, 'key.json');
  await writeFile(path, JSON.stringify(content));
  return { kind: 'file', path };
}

describe('credentials', () => {
  it('may be none, or a token', async () => {
    expect(await headersOf({ kind: 'none' })).toBeNull();
    expect(await headersOf({ kind: 'token', token: 'abc' })).toBe('Bearer abc');
  });

  it('may be a function, which is asked again', async () => {
    let count = 0;
    const token = (): Promise<string> => Promise.resolve(`token-${(count += 1)}`);
    const client = await (await open({ kind: 'token', token }).auth()).getClient();
    expect((await client.getRequestHeaders()).get('authorization')).toBe('Bearer token-1');
    client.setCredentials({ access_token: 'token-1', expiry_date: Date.now() - 1 });
    expect((await client.getRequestHeaders()).get('authorization')).toBe('Bearer token-2');
  });

  it('may be the key of a service account, or a user’s', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const service = await keyFile({
      type: 'service_account',
      client_email: 'ci@acme.iam.gserviceaccount.com',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    });
    const client = await (await open(service).auth()).getClient();
    expect(client).toBeInstanceOf(JWT);
    expect(client).toMatchObject({ email: 'ci@acme.iam.gserviceaccount.com' });
    const person = await keyFile({
      type: 'authorized_user',
      client_id: 'id',
      client_secret: 'secret',
      refresh_token: 'refresh',
    });
    expect(await (await open(person).auth()).getClient()).toBeInstanceOf(UserRefreshClient);
  });

  it('act as a service account through those who may', async () => {
    const answer = { accessToken: 'as-builder', expireTime: '2099-01-01T00:00:00Z' };
    const server = await ScriptedServer.start(() => ({ body: answer }));
    onTestFinished(() => server.close());
    const source = new PassThroughClient();
    const meant: string[] = [];
    source.transporter.interceptors.request.add({
      resolved: (config) => {
        meant.push(config.url.href);
        config.url = new URL(config.url.pathname, server.endpoint);
        return Promise.resolve(config);
      },
    });
    const client = impersonating(new OAuth2Client(), source, {
      kind: 'impersonate',
      serviceAccount: 'builder@acme.iam.gserviceaccount.com',
      delegates: ['between@acme.iam.gserviceaccount.com'],
    });
    expect((await client.getRequestHeaders()).get('authorization')).toBe('Bearer as-builder');
    await client.getRequestHeaders();
    expect(meant).toEqual([
      'https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/builder@acme.iam.gserviceaccount.com:generateAccessToken',
    ]);
    expect(server.requests[0]?.body).toEqual({
      delegates: ['projects/-/serviceAccounts/between@acme.iam.gserviceaccount.com'],
      scope: ['https://www.googleapis.com/auth/cloud-platform'],
      lifetime: '3600s',
    });
  });

  it('that could not be had are looked up again', async () => {
    let works = false;
    const token = (): Promise<string> =>
      works ? Promise.resolve('abc') : Promise.reject(new Error('locked'));
    const credentials = open({ kind: 'token', token });
    await expect(credentials.refresh()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    works = true;
    await expect(credentials.refresh()).resolves.toBeUndefined();
  });

  it.for([
    [{ kind: 'default' }, /gcloud auth application-default login/],
    [{ kind: 'token', token: 'abc' }, /^Renew the token/],
    [{ kind: 'file', path: 'key.json' }, /key in the file/],
    [{ kind: 'none' }, /option credentials/],
  ] as const)('that are refused say what helps: %j', ([credentials, hint]) => {
    const wrong = Object.assign(new Error('invalid_grant'), { status: 400 });
    expect(open(credentials).refused(wrong).hint).toMatch(hint);
  });

  it('that nobody can be asked for are UNAVAILABLE, not wrong', () => {
    const reset = Object.assign(new Error('no route'), { code: 'EHOSTUNREACH' });
    expect(open({ kind: 'default' }).refused(reset)).toMatchObject({
      code: 'UNAVAILABLE',
      hint: expect.stringContaining('network'),
    });
    const trouble = Object.assign(new Error('busy'), { status: 503 });
    expect(open({ kind: 'default' }).refused(trouble).code).toBe('UNAVAILABLE');
    const wrong = Object.assign(new Error('invalid_grant'), { status: 400 });
    expect(open({ kind: 'default' }).refused(wrong).code).toBe('UNAUTHENTICATED');
  });
});
