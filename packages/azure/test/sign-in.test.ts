import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { scratch } from '../../core/test/scratch.ts';
import { selfSigned } from '../../core/test/self-signed.ts';
import { startAzure, subscription, type EmulatedAzure } from './emulated-azure.ts';
import { startTokenServer, type TokenServer } from './token-server.ts';

const tenantId = '20000000-0000-0000-0000-000000000001';
const robot = '0b0b0b0b-1111-2222-3333-444444444444';
const contributor = 'b24988ac-6180-42a0-ab88-20f7382dd24c';
const clientSecret = 'S3cret~of-the+robot/it=self';

const certificate = selfSigned();
const missing = 'openssl is not there to make a certificate';
let cloud: EmulatedAzure;
let identity: TokenServer | undefined;

beforeEach(async () => {
  const scope = `/subscriptions/${subscription}`;
  cloud = await startAzure({ roles: [{ principal: robot, role: contributor, scope }] });
  const token = cloud.emulator.token(robot);
  const application = { tenantId, clientId: robot, clientSecret, token };
  identity = certificate && (await startTokenServer(certificate, application));
});
afterEach(async () => {
  await identity?.[Symbol.asyncDispose]();
  await cloud[Symbol.asyncDispose]();
});

/** What a process came to, and everything that it said and wrote. */
interface SignedIn {
  readonly answer: unknown;
  readonly everything: readonly string[];
}

/** Makes an image in a process that has only its environment to sign in with, as most have. */
async function signIn(secret: string, environment: object = {}): Promise<SignedIn> {
  const [home, place] = [await scratch(), await scratch()];
  const trusted = join(place, 'ca.pem');
  await writeFile(trusted, certificate?.cert ?? '');
  const options = { ...cloud.options, credentials: { kind: 'default' } };
  const program = join(import.meta.dirname, 'sign-in-program.ts');
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ['--conditions=@imgkit/source', program, home, JSON.stringify(options)],
    {
      env: {
        PATH: process.env['PATH'],
        HOME: place,
        NODE_EXTRA_CA_CERTS: trusted,
        AZURE_AUTHORITY_HOST: identity?.authority,
        AZURE_TENANT_ID: tenantId,
        AZURE_CLIENT_ID: robot,
        AZURE_CLIENT_SECRET: secret,
        ...environment,
      },
    },
  );
  const files = await readdir(home, { recursive: true, withFileTypes: true });
  const written = await Promise.all(
    files
      .filter((file) => file.isFile())
      .map((file) => readFile(join(file.parentPath, file.name), 'latin1')),
  );
  return { answer: JSON.parse(stdout), everything: [stdout, stderr, ...written] };
}

/** A secret as it may be written: plainly, in addresses, in forms, in Base64. */
function formsOf(secret: string): readonly string[] {
  const form = new URLSearchParams({ s: secret }).toString().slice(2);
  const base64 = Buffer.from(secret).toString('base64').replace(/=+$/, '');
  return [secret, form, encodeURIComponent(secret), base64];
}

function expectSilence({ everything }: SignedIn, secret: string): void {
  expect(everything.length).toBeGreaterThan(2); // the journal, too
  for (const form of formsOf(secret))
    for (const text of everything) expect(text).not.toContain(form);
}

// Its processes take their time to start on a busy machine.
describe(
  'an application that signs in with a secret of its environment',
  { timeout: 60_000 },
  () => {
    it('gets a token over TLS, which all calls carry', async ({ skip }) => {
      skip(certificate === undefined, missing);
      const signed = await signIn(clientSecret);
      expect(signed.answer).toEqual({ id: expect.stringContaining('/versions/1.0.0') });
      const members = cloud.emulator.requests
        .filter(({ rpc }) => rpc !== 'Operations.Get')
        .map(({ member }) => member);
      expect(new Set(members)).toEqual(new Set([robot]));
      const [asked] = identity?.asked ?? [];
      expect(identity?.asked).toHaveLength(1);
      expect(asked?.get('grant_type')).toBe('client_credentials');
      expect(asked?.get('scope')).toBe('https://management.azure.com/.default');
      expectSilence(signed, clientSecret);
      expectSilence(signed, cloud.emulator.token(robot));
    });

    it('whose secret is wrong is UNAUTHENTICATED, with what to do, and without the secret', async ({
      skip,
    }) => {
      skip(certificate === undefined, missing);
      const wrong = 'Wr0ng~secret+of/the=robot';
      const signed = await signIn(wrong);
      expect(signed.answer).toMatchObject({
        code: 'UNAUTHENTICATED',
        message: expect.stringContaining('AADSTS7000215'),
        hint: expect.stringContaining('AZURE_CLIENT_SECRET'),
      });
      expect(cloud.emulator.requests).toEqual([]);
      expectSilence(signed, wrong);
    });

    it('of a server that nobody has vouched for gets nothing, and neither does the server', async ({
      skip,
    }) => {
      skip(certificate === undefined, missing);
      const { answer } = await signIn(clientSecret, { NODE_EXTRA_CA_CERTS: '' });
      expect(answer).toMatchObject({ code: expect.stringMatching(/UNAUTHENTICATED|UNAVAILABLE/) });
      expect(identity?.asked).toEqual([]);
    });
  },
);
