import { z } from 'zod';

import { Secret } from '../configuration/secret.ts';
import { protocolError } from '../errors.ts';
import type { CatalogEndpoint } from './catalog.ts';

/** Leave to use the cloud for a while. */
export interface Token {
  readonly secret: Secret;
  /** When it was got, and when it ends, in milliseconds since 1970 by this machine's clock. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** The project it is for; none when it isn't for one. */
  readonly project: { readonly id: string; readonly name: string } | undefined;
  readonly catalog: readonly CatalogEndpoint[];
  /** The region to work in where none was said. */
  readonly defaultRegion?: string | undefined;
}

const v3 = z.object({
  token: z.object({
    expires_at: z.string(),
    issued_at: z.string().optional(),
    project: z.object({ id: z.string(), name: z.string() }).optional(),
    catalog: z
      .array(
        z.object({
          type: z.string(),
          name: z.string().optional(),
          endpoints: z.array(
            z.object({
              interface: z.string(),
              region: z.string().nullish(),
              region_id: z.string().nullish(),
              url: z.string(),
            }),
          ),
        }),
      )
      .optional(),
  }),
});

const v2 = z.object({
  access: z.object({
    token: z.object({
      id: z.string(),
      expires: z.string(),
      tenant: z.object({ id: z.string(), name: z.string().optional() }).optional(),
    }),
    user: z.looseObject({ 'RAX-AUTH:defaultRegion': z.string().optional() }).optional(),
    serviceCatalog: z
      .array(
        z.object({
          type: z.string(),
          name: z.string().optional(),
          endpoints: z.array(
            z.object({
              region: z.string().optional(),
              publicURL: z.string().optional(),
              internalURL: z.string().optional(),
              adminURL: z.string().optional(),
            }),
          ),
        }),
      )
      .optional(),
  }),
});

/** Reads the answer of identity v3: the token itself is in a header. */
export function readV3Token(content: unknown, id: string | undefined, now: number): Token {
  const parsed = v3.safeParse(content);
  if (!parsed.success || id === undefined) throw notUnderstood();
  const { token } = parsed.data;
  return {
    secret: new Secret(id),
    issuedAt: now,
    expiresAt: expiry(token.expires_at, token.issued_at, now),
    project: token.project,
    catalog: (token.catalog ?? []).flatMap(({ type, name, endpoints }) =>
      endpoints.map((one) => ({
        type,
        name,
        region: one.region_id ?? one.region ?? undefined,
        interface: one.interface,
        url: one.url,
      })),
    ),
  };
}

/** Reads the answer of identity v2.0, which the classic Rackspace cloud speaks. */
export function readV2Token(content: unknown, now: number): Token {
  const parsed = v2.safeParse(content);
  if (!parsed.success) throw notUnderstood();
  const { token, user, serviceCatalog = [] } = parsed.data.access;
  const { tenant } = token;
  return {
    secret: new Secret(token.id),
    issuedAt: now,
    expiresAt: expiry(token.expires, undefined, now),
    project: tenant && { id: tenant.id, name: tenant.name ?? tenant.id },
    defaultRegion: user?.['RAX-AUTH:defaultRegion'],
    catalog: serviceCatalog.flatMap(({ type, name, endpoints }) =>
      endpoints.flatMap(({ region, publicURL, internalURL, adminURL }) =>
        Object.entries({ public: publicURL, internal: internalURL, admin: adminURL }).flatMap(
          ([face, url]) =>
            url === undefined ? [] : [{ type, name, region, interface: face, url }],
        ),
      ),
    ),
  };
}

/** When a token ends by this machine's clock, which may differ from the cloud's. */
function expiry(expires: string, issued: string | undefined, now: number): number {
  const end = Date.parse(expires);
  if (Number.isNaN(end)) throw notUnderstood();
  const start = Date.parse(issued ?? '');
  return Number.isNaN(start) ? end : now + (end - start);
}

function notUnderstood(): Error {
  return protocolError('the identity service', 'it holds no token');
}
