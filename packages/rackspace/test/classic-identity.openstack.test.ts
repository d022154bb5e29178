import { ImgkitError } from '@imgkit/core';
import { describe, expect, it, onTestFinished } from 'vitest';

import { classicCloud, classicOptions, classicProvider } from './classic.ts';
import { kitOf, missing, openstack, providerOf } from './openstack.ts';

/** A kit of the account, and how often somebody signed in at the cloud since. */
async function world() {
  const cloud = await classicCloud();
  onTestFinished(() => cloud.faults.clear());
  const kit = await kitOf(await classicProvider('images'));
  const before = cloud.requests.length;
  const signIns = () =>
    cloud.requests.slice(before).filter((line) => line.endsWith('/v2.0/tokens')).length;
  return { cloud, provider: kit.providers.get('images'), signIns };
}

describe.skipIf(missing !== undefined)(
  'the identity service of the classic Rackspace cloud',
  () => {
    it('takes an API key, or a password, and gives the account number', async () => {
      const { cloud, provider } = await world();
      expect(provider.project).toBe(cloud.accounts.find('images')?.number);
      const password = cloud.accounts.find('images')?.password;
      const kit = await kitOf(await classicProvider('images', { apiKey: undefined, password }));
      await kit.providers.get('images').check();
    });

    it('refuses a wrong key, and a wrong account, and shows no secret', async () => {
      const apiKey = 'wrong-key-7';
      const wrong: unknown = await kitOf(await classicProvider('images', { apiKey })).catch(
        (error: unknown) => error,
      );
      expect(wrong).toMatchObject({ code: 'UNAUTHENTICATED', provider: 'images' });
      expect(ImgkitError.is(wrong) && wrong.hint).toContain('Check the user');
      expect(JSON.stringify(wrong) + String(wrong)).not.toContain(apiKey);
      const { cloud } = await world();
      const projectId = cloud.accounts.find('consumer-a')?.number;
      const foreign = kitOf(await classicProvider('images', { projectId }));
      await expect(foreign).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    });

    it('gives tokens that end in its own time zone, are used until then, and renewed before', async () => {
      const { cloud, signIns } = await world();
      const { tokenLifeMs } = cloud.accounts;
      onTestFinished(() => void (cloud.accounts.tokenLifeMs = tokenLifeMs));
      cloud.accounts.tokenLifeMs = 4000;
      const kit = await kitOf(await classicProvider('images'));
      const given = Date.now();
      const provider = kit.providers.get('images');
      cloud.accounts.tokenLifeMs = tokenLifeMs;
      // Read without its offset, it would be over for hours.
      const before = signIns();
      await provider.check();
      expect(signIns()).toBe(before);
      const { promise, resolve } = Promise.withResolvers<void>();
      setTimeout(resolve, given + 4100 - Date.now());
      await promise;
      const asked = cloud.requests.length;
      await provider.check();
      // Not after a refusal: the question was asked once.
      const lines = cloud.requests.slice(asked).map((line) => line.replace(/ .*\//, ' '));
      expect(lines).toEqual(['POST tokens', 'GET images']);
    });

    it('is asked once more when a token is refused, for all who wait, and not for ever', async () => {
      const { cloud, provider, signIns } = await world();
      cloud.accounts.revokeAll();
      await Promise.all([provider.check(), provider.check(), provider.check()]);
      expect(signIns()).toBe(1);
      cloud.faults.add({ match: /GET \/images\/v2\/\d+\/images$/, kind: 'expired', times: 100 });
      await expect(provider.check()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
      expect(signIns()).toBe(2);
    });

    it('is in the catalogue by name: the second compute service is never asked', async () => {
      const { cloud, provider } = await world();
      for await (const _ of provider.instances?.list() ?? []) break;
      expect(cloud.requests.some((line) => line.includes('/oldservers/'))).toBe(false);
      expect(cloud.requests.some((line) => line.includes('/servers/v2/'))).toBe(true);
      const elsewhere = await kitOf(await classicProvider('images', { region: 'ORD' }));
      const error: unknown = await elsewhere.providers.get('images').check().catch(String);
      expect(String(error)).toContain('in region ORD');
      expect((await classicOptions('images')).profile).toBe('rackspace');
    });
  },
);

describe.skipIf(missing !== undefined)('a throttled call', () => {
  it('waits as long as the cloud says', async () => {
    const { cloud, provider } = await world();
    const hits: number[] = [];
    const onHit = () => void hits.push(Date.now());
    cloud.faults.add({ match: /GET \/images\/v2\/\d+\/images$/, kind: 'throttle', onHit });
    cloud.faults.add({ match: /POST \/identity/, kind: 'throttle', onHit });
    cloud.accounts.revokeAll();
    const begun = Date.now();
    await provider.check();
    expect(hits).toHaveLength(2);
    expect(Date.now() - begun).toBeGreaterThanOrEqual(2000);
  });
});

describe.skipIf(missing !== undefined)('OpenStack Flex', () => {
  it('is a Keystone v3 that takes the API key for the password, in its own domain', async () => {
    const { password: apiKey } = openstack();
    // The domain has another name here; without one, the profile's would be asked for.
    const domains = { userDomainName: 'Default', projectDomainName: 'Default' };
    const flex = { profile: 'rackspace-flex', password: undefined, apiKey } as const;
    const kit = await kitOf(providerOf('images', { ...flex, ...domains }));
    const provider = kit.providers.get('images');
    await provider.check();
    expect(provider.project).toMatch(/^[\da-f]{32}$/);
    expect(provider.images.traits.sources).toContain('image');
    const nowhere = kitOf(providerOf('images', flex));
    await expect(nowhere).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });
});
