import * as z from 'zod';

import { targetRegionsSchema, type AzureTargetRegion } from './versions/target-regions.ts';

/** What gives access tokens: any `TokenCredential` of `@azure/identity` is one. */
export interface AzureTokenSource {
  /**
   * Gives a token for the scopes, such as `https://management.azure.com/.default`.
   *
   * @returns the token, and when it expires, in milliseconds since 1970; nothing if there is none.
   */
  getToken(
    scopes: string | string[],
    options?: { readonly abortSignal?: AbortSignal },
  ): Promise<{ readonly token: string; readonly expiresOnTimestamp: number } | null>;
}

/** How the provider proves who it is. */
export type AzureCredentials =
  /** The usual order of `@azure/identity`: environment, workload identity, managed identity, `az login`, and so on. */
  | { readonly kind: 'default'; readonly tenantId?: string | undefined }
  /** The identity of the machine it runs on. */
  | { readonly kind: 'managed-identity'; readonly clientId?: string | undefined }
  /** A service principal with a secret. */
  | {
      readonly kind: 'client-secret';
      readonly tenantId: string;
      readonly clientId: string;
      readonly clientSecret: string;
    }
  /** Your own: any `TokenCredential`. */
  | { readonly kind: 'own'; readonly credential: AzureTokenSource }
  /** No credentials at all: for emulators. */
  | { readonly kind: 'none' };

/** How the provider may use a storage account. */
export type AzureStorageCredentials =
  /** By one of the account's keys. */
  | { readonly kind: 'key'; readonly key: string }
  /** By a shared access signature that lets it read, write, delete and list in the container. */
  | { readonly kind: 'sas'; readonly sas: string };

/** The storage account that disk files are uploaded to on their way into an image. */
export interface AzureStorageOptions {
  /** Its name, or the address of its blob service: `https://acme.blob.core.windows.net`, or that of an Azurite. */
  readonly account: string;
  /** The container in it, which must stand; `imgkit` by default. */
  readonly container?: string | undefined;
  /** Its ARM id, where it isn't in the provider's own resource group. */
  readonly accountId?: string | undefined;
  /** By what it is used; by default, the provider's own credentials: they need the role Storage Blob Data Contributor. */
  readonly credentials?: AzureStorageCredentials | undefined;
  /** Keeps what was uploaded when its image stands; by default it is removed. */
  readonly keepUploads?: boolean | undefined;
}

/** How the Azure provider is set up. */
export interface AzureOptions {
  /** The id of the subscription it works in; `$AZURE_SUBSCRIPTION_ID` by default. */
  readonly subscription?: string | undefined;
  /** The resource group of the gallery, disks and snapshots; `$AZURE_RESOURCE_GROUP` by default. It must stand. */
  readonly resourceGroup?: string | undefined;
  /** The name of the Compute Gallery that holds the images; `$AZURE_GALLERY` by default. It must stand. */
  readonly gallery?: string | undefined;
  /** The region to work in, such as `westeurope`; `$AZURE_LOCATION` by default. */
  readonly location?: string | undefined;
  /** Who it is; `{ kind: 'default' }` by default, and `{ kind: 'none' }` with an `http:` endpoint. */
  readonly credentials?: AzureCredentials | undefined;
  /** The cloud: Azure's public one by default. */
  readonly cloud?: 'public' | 'us-government' | 'china' | undefined;
  /** Another server than the cloud's, for example an emulator's `http://127.0.0.1:17002`, or that of Azure Stack. */
  readonly endpoint?: string | undefined;
  /**
   * Who gives tokens, where that is nobody of `cloud`, as with Azure Stack: `https://login.stack.acme.com`.
   * `$AZURE_AUTHORITY_HOST` by default, where no `cloud` is named either.
   */
  readonly authority?: string | undefined;
  /** Where new images are replicated to, and how; only `location` by default, which need not be named. */
  readonly targetRegions?: readonly (string | AzureTargetRegion)[] | undefined;
  /** The publisher in the identifiers of new image definitions; `imgkit` by default. */
  readonly publisher?: string | undefined;
  /**
   * How images are shared: by a role at the image's `family` (its definition), the default, or at the whole `gallery`;
   * with subscriptions and tenants, `direct`, for which the gallery must have been made; or with everybody, as a
   * `community` gallery.
   */
  readonly shareBy?: 'family' | 'gallery' | 'direct' | 'community' | undefined;
  /** Where disk files of this machine are uploaded to. Without it, none can be. */
  readonly storage?: AzureStorageOptions | undefined;
  /**
   * What an OBSOLETE image is to its readers, of whom Azure keeps none from using it: they `keep-access`, the default; or
   * `revoke-access`: once no image of its family is ACTIVE or DEPRECATED, those whom imgkit let read the family no longer
   * may, until one is again. Roles at the whole gallery, and those that others gave, stay.
   */
  readonly onObsolete?: 'keep-access' | 'revoke-access' | undefined;
  /**
   * How long a call waits for Azure, in milliseconds; without end by default. A wait that runs out rejects with
   * `PENDING` and a token: Azure goes on.
   */
  readonly maxWaitMs?: number | undefined;
  /**
   * The id of the subnet that new machines are put in. By default imgkit makes a network of its own once,
   * `imgkit-<location>` in the resource group, and keeps it: it costs nothing.
   */
  readonly subnet?: string | undefined;
  /**
   * Where machines are reached: at a `public` address that each gets, the default, or at the `private` one, from within
   * their network. One that has only the other is reached there.
   */
  readonly address?: 'public' | 'private' | undefined;
  /**
   * From where the machines in imgkit's own network are reached over SSH: prefixes such as `203.0.113.0/24`, or service tags;
   * `['*']`, from everywhere, by default. Machines let in nobody without a key. It counts when that network is made.
   */
  readonly allowFrom?: readonly string[] | undefined;
}

const uuid = z.guid('must be a GUID');
const region = z.string().regex(/^[A-Za-z0-9 ]+$/, 'must be a region such as westeurope');

/** The schema of {@link AzureOptions}. */
export const azureOptions = z.strictObject({
  subscription: uuid.optional(),
  resourceGroup: z
    .string()
    .regex(/^[\p{L}\p{N}_().-]{0,89}[\p{L}\p{N}_()-]$/u, 'must be the name of a resource group')
    .optional(),
  gallery: z
    .string()
    .regex(
      /^\w[\w.]{0,78}\w$|^\w$/,
      'must be the name of a gallery: letters, digits, dots, underscores',
    )
    .optional(),
  location: region.optional(),
  credentials: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('default'), tenantId: z.string().min(1).optional() }),
      z.strictObject({ kind: z.literal('managed-identity'), clientId: uuid.optional() }),
      z.strictObject({
        kind: z.literal('client-secret'),
        tenantId: z.string().min(1),
        clientId: uuid,
        clientSecret: z.string().min(1),
      }),
      z.strictObject({
        kind: z.literal('own'),
        credential: z.custom<AzureTokenSource>(
          (value) => typeof Object(value).getToken === 'function',
          'must have getToken',
        ),
      }),
      z.strictObject({ kind: z.literal('none') }),
    ])
    .optional(),
  cloud: z.enum(['public', 'us-government', 'china']).optional(),
  endpoint: z.url({ protocol: /^https?$/ }).optional(),
  authority: z.url({ protocol: /^https$/ }).optional(),
  targetRegions: targetRegionsSchema.optional(),
  publisher: z
    .string()
    .regex(/^[A-Za-z0-9](?:[\w.-]{0,126}[A-Za-z0-9_])?$/, 'must be a publisher')
    .optional(),
  shareBy: z.enum(['family', 'gallery', 'direct', 'community']).optional(),
  storage: z
    .strictObject({
      account: z.union([
        z.string().regex(/^[a-z0-9]{3,24}$/),
        z.url({ protocol: /^https?$/ }).refine((address) => !address.includes('?')),
      ]),
      container: z
        .string()
        .regex(/^(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*$/, 'must be the name of a container')
        .optional(),
      accountId: z.string().startsWith('/subscriptions/').optional(),
      credentials: z
        .discriminatedUnion('kind', [
          z.strictObject({
            kind: z.literal('key'),
            key: z.base64('must be a key of the account').min(1),
          }),
          z.strictObject({
            kind: z.literal('sas'),
            sas: z.string().regex(/(?:^|[?&])sig=/, 'must be a shared access signature'),
          }),
        ])
        .optional(),
      keepUploads: z.boolean().optional(),
    })
    .optional(),
  onObsolete: z.enum(['keep-access', 'revoke-access']).optional(),
  maxWaitMs: z.number().positive().optional(),
  subnet: z
    .string()
    .regex(
      /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.Network\/virtualNetworks\/[^/]+\/subnets\/[^/]+$/i,
      'must be the id of a subnet',
    )
    .optional(),
  address: z.enum(['public', 'private']).optional(),
  allowFrom: z.array(z.string().min(1)).min(1).readonly().optional(),
});
