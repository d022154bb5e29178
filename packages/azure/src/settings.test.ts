import { describe, expect, it } from 'vitest';

import { azureOptions } from './options.ts';
import { settings } from './settings.ts';

const id = '00000000-0000-0000-0000-000000000001';
const options = {
  subscription: id,
  resourceGroup: 'images',
  gallery: 'golden',
  location: 'West Europe',
};

describe('the settings', () => {
  it('come from options, then from the environment', () => {
    const environment = {
      AZURE_SUBSCRIPTION_ID: id,
      AZURE_RESOURCE_GROUP: 'images',
      AZURE_GALLERY: 'golden',
      AZURE_LOCATION: 'westus',
    };
    expect(settings({}, environment)).toMatchObject({ gallery: 'golden', location: 'westus' });
    expect(settings(options, environment)).toMatchObject({
      location: 'westeurope',
      endpoint: 'https://management.azure.com',
      scope: 'https://management.azure.com/.default',
      credentials: { kind: 'default' },
    });
  });

  it('name the own region, too, and each once', () => {
    const { targetRegions } = settings(
      { ...options, targetRegions: [{ name: 'North Europe', replicaCount: 2 }] },
      {},
    );
    expect(targetRegions).toEqual([
      { name: 'westeurope' },
      { name: 'northeurope', replicaCount: 2 },
    ]);
    const named = settings({ ...options, targetRegions: ['North Europe', 'West Europe'] }, {});
    expect(named.targetRegions).toEqual([{ name: 'northeurope' }, { name: 'westeurope' }]);
  });

  it('know the sovereign clouds', () => {
    expect(settings({ ...options, cloud: 'us-government' }, {})).toMatchObject({
      endpoint: 'https://management.usgovcloudapi.net',
      scope: 'https://management.usgovcloudapi.net/.default',
      authority: 'https://login.microsoftonline.us',
    });
  });

  it('know China’s cloud, and clouds of one’s own by their endpoint and authority', () => {
    expect(settings({ ...options, cloud: 'china' }, {})).toMatchObject({
      endpoint: 'https://management.chinacloudapi.cn',
      authority: 'https://login.chinacloudapi.cn',
      knownAuthority: true,
    });
    const own = {
      endpoint: 'https://management.stack.acme.com/',
      authority: 'https://login.stack.acme.com',
    };
    expect(settings({ ...options, ...own }, {})).toMatchObject({
      endpoint: 'https://management.stack.acme.com',
      scope: 'https://management.stack.acme.com/.default',
      authority: own.authority,
      knownAuthority: false,
    });
  });

  it('take who gives tokens from the environment, as other tools do', () => {
    const stack = { AZURE_AUTHORITY_HOST: 'https://login.stack.acme.com/' };
    const authority = 'https://login.stack.acme.com';
    expect(settings(options, stack)).toMatchObject({ authority, knownAuthority: false });
    const china = { AZURE_AUTHORITY_HOST: 'https://login.chinacloudapi.cn' };
    expect(settings(options, china)).toMatchObject({ knownAuthority: true });
    // What is said outright counts.
    expect(settings({ ...options, cloud: 'us-government' }, china).authority).toBe(
      'https://login.microsoftonline.us',
    );
    expect(() => settings(options, { AZURE_AUTHORITY_HOST: 'login' })).toThrow(/AUTHORITY_HOST/);
  });

  it('need no credentials without TLS', () => {
    const { credentials } = settings({ ...options, endpoint: 'http://127.0.0.1:1/' }, {});
    expect(credentials).toEqual({ kind: 'none' });
  });

  it('say what is missing', () => {
    expect(() => settings({ ...options, gallery: undefined }, {})).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        hint: expect.stringContaining('$AZURE_GALLERY'),
      }),
    );
  });
});

describe('the options', () => {
  it.each([
    { subscription: 'mine' },
    { gallery: 'has-hyphen' },
    { location: 'west_europe' },
    { credentials: { kind: 'own', credential: {} } },
    { maxWaitMs: 0 },
    { authority: 'http://login.acme.com' },
    { shareBy: 'image' },
    { targetRegions: [{ name: 'westus', replicaCount: 101 }] },
    { surprise: true },
  ])('refuse %j', (wrong) => {
    expect(azureOptions.safeParse(wrong).success).toBe(false);
  });
});
