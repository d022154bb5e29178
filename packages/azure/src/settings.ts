import { ImgkitError } from '@imgkit/core';

import type { AzureCredentials, AzureOptions } from './options.ts';
import { regionName } from './resources/regions.ts';
import { plainRegions, type AzureTargetRegion } from './versions/target-regions.ts';
import { storageSettings, type StorageSettings } from './transfer/storage-settings.ts';

/** {@link AzureOptions} with every default filled in. */
export interface AzureSettings {
  readonly subscription: string;
  readonly resourceGroup: string;
  readonly gallery: string;
  readonly location: string;
  readonly credentials: AzureCredentials;
  /** The server of Azure Resource Manager, without a slash at its end. */
  readonly endpoint: string;
  /** What a token is asked for. */
  readonly scope: string;
  /** Who gives tokens in this cloud. */
  readonly authority: string;
  /** Whether that is one of Microsoft's own. */
  readonly knownAuthority: boolean;
  /** Where new images go, `location` among them. */
  readonly targetRegions: readonly AzureTargetRegion[];
  readonly publisher: string;
  readonly shareBy: 'family' | 'gallery' | 'direct' | 'community';
  readonly onObsolete: 'keep-access' | 'revoke-access';
  readonly maxWaitMs: number;
  /** The subnet of new machines; imgkit's own network where there is none. */
  readonly subnet: string | undefined;
  readonly address: 'public' | 'private';
  /** Who is let into imgkit's own network. */
  readonly allowFrom: readonly string[];
  /** Where disk files go; nothing where none can be uploaded. */
  readonly storage: StorageSettings | undefined;
}

/** https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud */
const clouds = {
  public: {
    endpoint: 'https://management.azure.com',
    blobs: 'blob.core.windows.net',
    authority: 'https://login.microsoftonline.com',
  },
  'us-government': {
    endpoint: 'https://management.usgovcloudapi.net',
    blobs: 'blob.core.usgovcloudapi.net',
    authority: 'https://login.microsoftonline.us',
  },
  china: {
    endpoint: 'https://management.chinacloudapi.cn',
    blobs: 'blob.core.chinacloudapi.cn',
    authority: 'https://login.chinacloudapi.cn',
  },
} as const;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Fills in the defaults.
 *
 * @throws ImgkitError with `INVALID_ARGUMENT` if nobody says where to work.
 */
export function settings(
  options: AzureOptions,
  environment: Environment = process.env,
): AzureSettings {
  const cloud = clouds[options.cloud ?? 'public'];
  const endpoint = (options.endpoint ?? cloud.endpoint).replace(/\/+$/, '');
  const local = endpoint.startsWith('http:');
  const location = regionName(needed('location', options.location, 'AZURE_LOCATION', environment));
  const regions = plainRegions(options.targetRegions ?? []);
  const subscription = needed(
    'subscription',
    options.subscription,
    'AZURE_SUBSCRIPTION_ID',
    environment,
  );
  const resourceGroup = needed(
    'resourceGroup',
    options.resourceGroup,
    'AZURE_RESOURCE_GROUP',
    environment,
  );
  const { blobs } = cloud;
  const authority =
    options.authority ??
    (options.cloud === undefined ? authorityIn(environment) : undefined) ??
    cloud.authority;
  const storage =
    options.storage && storageSettings(options.storage, { subscription, resourceGroup, blobs });
  return {
    subscription,
    resourceGroup,
    gallery: needed('gallery', options.gallery, 'AZURE_GALLERY', environment),
    location,
    storage,
    credentials: options.credentials ?? { kind: local ? 'none' : 'default' },
    endpoint,
    scope: `${local ? cloud.endpoint : endpoint}/.default`,
    authority,
    knownAuthority: Object.values(clouds).some((one) => one.authority === authority),
    targetRegions: regions.some(({ name }) => name === location)
      ? regions
      : [{ name: location }, ...regions],
    publisher: options.publisher ?? 'imgkit',
    shareBy: options.shareBy ?? 'family',
    onObsolete: options.onObsolete ?? 'keep-access',
    maxWaitMs: options.maxWaitMs ?? Infinity,
    subnet: options.subnet,
    address: options.address ?? 'public',
    allowFrom: options.allowFrom ?? ['*'],
  };
}

/** Who gives tokens, as `@azure/identity` is told by the environment. */
function authorityIn({ AZURE_AUTHORITY_HOST: given = '' }: Environment): string | undefined {
  if (given === '') return undefined;
  const host = given.replace(/\/+$/, '');
  if (/^https:\/\/[^/\s]+$/.test(host)) return host;
  throw new ImgkitError('INVALID_ARGUMENT', '$AZURE_AUTHORITY_HOST is no address of a server', {
    operation: 'azure',
    hint: 'Give it as https://login.microsoftonline.com, or leave it out.',
  });
}

function needed(
  name: string,
  given: string | undefined,
  variable: string,
  environment: Environment,
): string {
  const value = given ?? environment[variable];
  if (value !== undefined && value !== '') return value;
  throw new ImgkitError('INVALID_ARGUMENT', `nobody says which ${name} of Azure to work in`, {
    operation: 'azure',
    hint: `Say it: azure({ ${name}: … }), or set $${variable}.`,
  });
}
