import { describe, expect, it } from 'vitest';

import { azureOptions } from '../options.ts';
import { storageSettings } from './storage-settings.ts';

const where = { subscription: 's', resourceGroup: 'images', blobs: 'blob.core.windows.net' };
const accounts =
  '/subscriptions/s/resourceGroups/images/providers/Microsoft.Storage/storageAccounts';

describe('the settings of a storage account', () => {
  it('come from its name', () => {
    expect(storageSettings({ account: 'acme' }, where)).toEqual({
      endpoint: 'https://acme.blob.core.windows.net',
      account: 'acme',
      container: 'imgkit',
      accountId: `${accounts}/acme`,
      credentials: undefined,
      keepUploads: false,
    });
  });

  it('come from an address, Azure’s or an Azurite’s', () => {
    const ofAzure = storageSettings({ account: 'https://acme.blob.core.chinacloudapi.cn/' }, where);
    expect(ofAzure).toMatchObject({
      endpoint: 'https://acme.blob.core.chinacloudapi.cn',
      account: 'acme',
    });
    const accountId = '/subscriptions/t/x';
    const ofAzurite = { account: 'http://127.0.0.1:10000/devstoreaccount1', accountId };
    expect(storageSettings(ofAzurite, where)).toMatchObject({
      endpoint: 'http://127.0.0.1:10000/devstoreaccount1',
      account: 'devstoreaccount1',
      accountId,
    });
  });

  it.each([
    { account: 'No Name' },
    { account: 'https://acme.blob.core.windows.net/?sig=secret' },
    { account: 'acme', container: 'UPPER' },
    { account: 'acme', credentials: { kind: 'key', key: 'not base64!' } },
    { account: 'acme', credentials: { kind: 'sas', sas: 'no signature' } },
    { account: 'acme', surprise: 1 },
  ])('are checked, and no error tells a secret: %j', (storage) => {
    const { error } = azureOptions.safeParse({ storage });
    expect(error?.issues.length).toBeGreaterThan(0);
    expect(String(error)).not.toMatch(/secret|not base64!|no signature/);
  });
});
