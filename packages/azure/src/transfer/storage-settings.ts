import type { AzureStorageCredentials, AzureStorageOptions } from '../options.ts';

/** {@link AzureStorageOptions} with every default filled in. */
export interface StorageSettings {
  /** The address of the account's blob service, without a slash at its end. */
  readonly endpoint: string;
  /** The account's name. */
  readonly account: string;
  readonly container: string;
  /** The account's ARM id. */
  readonly accountId: string;
  readonly credentials: AzureStorageCredentials | undefined;
  readonly keepUploads: boolean;
}

/** Fills in the defaults. */
export function storageSettings(
  { account: given, container = 'imgkit', credentials, ...options }: AzureStorageOptions,
  where: {
    readonly subscription: string;
    readonly resourceGroup: string;
    /** What the addresses of blob services end with in this cloud. */
    readonly blobs: string;
  },
): StorageSettings {
  const isAddress = given.includes('://');
  const endpoint = isAddress ? given.replace(/\/+$/, '') : `https://${given}.${where.blobs}`;
  const { hostname, pathname } = new URL(endpoint);
  // Azurite has its accounts in the path, Azure in the host.
  const [account = ''] = pathname === '/' ? hostname.split('.') : pathname.slice(1).split('/');
  const { subscription, resourceGroup } = where;
  const group = `/subscriptions/${subscription}/resourceGroups/${resourceGroup}`;
  return {
    endpoint,
    account,
    container,
    credentials,
    accountId:
      options.accountId ?? `${group}/providers/Microsoft.Storage/storageAccounts/${account}`,
    keepUploads: options.keepUploads ?? false,
  };
}
