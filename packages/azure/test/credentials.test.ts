import { createServer, type Server } from 'node:http';
import { inspect } from 'node:util';

import { ImgkitError } from '@imgkit/core';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import type { AzureOptions } from '../src/index.ts';
import { source, startAzure, subscription, type EmulatedAzure } from './emulated-azure.ts';

const robot = '0b0b0b0b-1111-2222-3333-444444444444';
const contributor = 'b24988ac-6180-42a0-ab88-20f7382dd24c';
const secret = 'S3cret~of-the-robot';

let cloud: EmulatedAzure;
let endpoint: Server;
/** What the token endpoint of the machine answers, and what it was asked. */
let answer: { readonly status: number; readonly token: string };
const asked: string[] = [];

beforeAll(async () => {
  const scope = `/subscriptions/${subscription}`;
  cloud = await startAzure({ roles: [{ principal: robot, role: contributor, scope }] });
  // The protocol of managed identities, as App Service and Service Fabric speak it: over plain HTTP, on loopback.
  endpoint = createServer((request, response) => {
    asked.push(`${String(request.headers['x-identity-header'])} ${request.url ?? ''}`);
    const expires = String(Math.floor(Date.now() / 1000) + 3600);
    const body = {
      access_token: answer.token,
      expires_on: expires,
      resource: 'r',
      token_type: 'Bearer',
    };
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer.status === 200 ? body : { message: 'no such identity' }));
  });
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  endpoint.close();
  endpoint.closeAllConnections();
  vi.unstubAllEnvs();
  await cloud[Symbol.asyncDispose]();
});
beforeEach(() => {
  asked.length = 0;
  const address = endpoint.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  vi.stubEnv('IDENTITY_ENDPOINT', `http://127.0.0.1:${port}/msi/token`);
  vi.stubEnv('IDENTITY_HEADER', 'the-header');
});

const noToken = () => Promise.resolve(null);

async function failureOf(options: AzureOptions): Promise<ImgkitError> {
  const provider = await cloud.provider(options);
  const failed: unknown = await provider.images.get('a:b:c:1.0.0').catch((error: unknown) => error);
  if (!ImgkitError.is(failed)) throw new Error(`it should fail, not give ${inspect(failed)}`);
  return failed;
}

describe('a managed identity', () => {
  it('gets its tokens from the machine that it runs on', async () => {
    answer = { status: 200, token: cloud.emulator.token(robot) };
    const provider = await cloud.provider({ credentials: { kind: 'managed-identity' } });
    const start = cloud.emulator.requests.length;
    expect((await provider.images.create({ name: 'web', source })).status).toBe('READY');
    const made = cloud.emulator.requests.slice(start).filter(({ rpc }) => rpc !== 'Operations.Get');
    expect(new Set(made.map(({ member }) => member))).toEqual(new Set([robot]));
    expect(asked).toHaveLength(1);
    expect(asked[0]).toContain('the-header');
    expect(decodeURIComponent(asked[0] ?? '')).toContain('resource=https://management.azure.com');
  });

  it('that the machine doesn’t have is UNAUTHENTICATED, with a hint', async () => {
    answer = { status: 400, token: '' };
    const clientId = '3b3b3b3b-1111-2222-3333-444444444444';
    const failed = await failureOf({ credentials: { kind: 'managed-identity', clientId } });
    expect(failed).toMatchObject({
      code: 'UNAUTHENTICATED',
      hint: expect.stringContaining('identity'),
      provider: 'azure',
    });
  });
});

describe('a secret', () => {
  it('is in no error, however deep', async () => {
    const failed = await failureOf({
      authority: 'https://127.0.0.1:1',
      credentials: {
        kind: 'client-secret',
        tenantId: '20000000-0000-0000-0000-000000000001',
        clientId: robot,
        clientSecret: secret,
      },
    });
    expect(['UNAVAILABLE', 'UNAUTHENTICATED']).toContain(failed.code);
    expect(failed.hint).toBeDefined();
    expect(inspect(failed, { depth: Infinity, showHidden: true })).not.toContain(secret);
    expect(JSON.stringify(failed)).not.toContain(secret);
  });
});

describe('credentials of the caller', () => {
  it('that fail are UNAUTHENTICATED, and what they threw is kept in words only', async () => {
    const request = { body: `client_secret=${secret}` };
    const getToken = () => Promise.reject(Object.assign(new Error('no more'), { request }));
    const failed = await failureOf({ credentials: { kind: 'own', credential: { getToken } } });
    expect(failed).toMatchObject({
      code: 'UNAUTHENTICATED',
      message: expect.stringContaining('no more'),
    });
    expect(inspect(failed, { depth: Infinity })).not.toContain(secret);
  });

  it('that give nothing, or are refused, are UNAUTHENTICATED, too', async () => {
    const getToken = noToken;
    expect((await failureOf({ credentials: { kind: 'own', credential: { getToken } } })).code).toBe(
      'UNAUTHENTICATED',
    );
    cloud.emulator.faults.add({
      rpc: 'VirtualMachineImages.Get',
      kind: 'status',
      status: 401,
      reason: 'ExpiredAuthenticationToken',
    });
    expect(await failureOf({})).toMatchObject({
      code: 'UNAUTHENTICATED',
      hint: expect.stringContaining('az login'),
    });
  });
});
