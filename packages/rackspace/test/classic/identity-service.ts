import { z } from 'zod';

import type { Account, Accounts } from './accounts.ts';
import { faultRefusal, type Reply } from './wire.ts';

const named = { username: z.string() };
const request = z.object({
  auth: z.looseObject({
    'RAX-KSKEY:apiKeyCredentials': z.object({ ...named, apiKey: z.string() }).optional(),
    passwordCredentials: z.object({ ...named, password: z.string() }).optional(),
    token: z.object({ id: z.string() }).optional(),
    tenantId: z.string().optional(),
    tenantName: z.string().optional(),
  }),
});

/** The regions of the catalogue. */
export const regions = ['DFW', 'IAD'] as const;

/** Identity v2.0: `POST /v2.0/tokens`. */
export async function signIn(accounts: Accounts, body: string, origin: string): Promise<Reply> {
  const parsed = request.safeParse(parse(body));
  if (!parsed.success) throw faultRefusal(400, 'badRequest', 'Invalid request body.');
  const { auth } = parsed.data;
  const account = proven(accounts, auth);
  const { tenantId, tenantName } = auth;
  const tenant = tenantId ?? tenantName;
  if (account === undefined || (tenant !== undefined && tenant !== account.number))
    throw faultRefusal(
      401,
      'unauthorized',
      'Unable to authenticate user with credentials provided.',
    );
  const { id, expiresAt } = await accounts.issue(account);
  return { status: 200, json: { access: access(account, id, expiresAt, origin) } };
}

function proven(accounts: Accounts, auth: z.infer<typeof request>['auth']): Account | undefined {
  const { 'RAX-KSKEY:apiKeyCredentials': key, passwordCredentials: password, token } = auth;
  if (key !== undefined) {
    const account = accounts.find(key.username);
    return account?.apiKey === key.apiKey ? account : undefined;
  }
  if (password !== undefined) {
    const account = accounts.find(password.username);
    return account?.password === password.password ? account : undefined;
  }
  return accounts.known(token?.id)?.account;
}

function access({ number, user }: Account, id: string, expiresAt: number, origin: string): object {
  const tenant = { id: number, name: number };
  return {
    token: { id, expires: offset(expiresAt), tenant, 'RAX-AUTH:authenticatedBy': ['APIKEY'] },
    user: { id: number, name: user, roles: [], 'RAX-AUTH:defaultRegion': 'DFW' },
    serviceCatalog: [
      service('cloudServers', 'compute', [undefined], `${origin}/oldservers/v1.0/${number}`),
      service('cloudServersOpenStack', 'compute', regions, `${origin}/servers/v2/${number}`),
      service('cloudImages', 'image', regions, `${origin}/images/v2/${number}`),
      service('cloudFiles', 'object-store', regions, `${origin}/files/v1/MossoCloudFS_${number}`),
      service('autoscale', 'rax:autoscale', regions, `${origin}/autoscale/v1.0/${number}`),
    ],
  };
}

function service(
  name: string,
  type: string,
  places: readonly (string | undefined)[],
  publicURL: string,
) {
  // Only one region has something behind it.
  const endpoints = places.map((region) => ({
    ...(region !== undefined && { region }),
    tenantId: publicURL.replace(/.*[/_]/, ''),
    publicURL: region === 'IAD' ? publicURL.replace('/v', '-iad/v') : publicURL,
  }));
  return { name, type, endpoints };
}

/** An instant as the identity service writes it: in the time of Texas. */
function offset(at: number): string {
  return new Date(at - 5 * 3_600_000).toISOString().replace('Z', '-05:00');
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
