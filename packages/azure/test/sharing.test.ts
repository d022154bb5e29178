import { ImgkitError, type Grant, type Principal, type Provider } from '@imgkit/core';
import type { JsonObject } from '@imgkit/emulators';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { isAzureSharing } from '../src/index.ts';
import {
  gallery,
  otherSubscription,
  source,
  startAzure,
  type EmulatedAzure,
} from './emulated-azure.ts';

const robot = '0b0b0b0b-1111-2222-3333-444444444444';
const person = '1b1b1b1b-1111-2222-3333-444444444444';
const owner = '8e3af657-a8ff-443c-a75c-2fe8c4bcb635';
const wide = { allowWider: true };

let cloud: EmulatedAzure;
let maker: Provider;
/** Somebody who owns the other subscription, and nothing of the maker's. */
let consumer: Provider;

beforeAll(async () => {
  const scope = `/subscriptions/${otherSubscription}`;
  cloud = await startAzure({ roles: [{ principal: robot, role: owner, scope }] });
  maker = await cloud.provider();
  const token = cloud.emulator.token(robot);
  const getToken = () => Promise.resolve({ token, expiresOnTimestamp: Date.now() + 3_600_000 });
  consumer = await cloud.provider({
    subscription: otherSubscription,
    credentials: { kind: 'own', credential: { getToken } },
  });
});
afterAll(() => cloud[Symbol.asyncDispose]());

let serial = 0;
beforeEach(() => {
  serial += 1;
});

async function make(): Promise<string> {
  const family = `web-${serial}`;
  return (await maker.images.create({ name: family, family, version: '1', source })).ref.id;
}

async function grants(id: string, provider = maker): Promise<readonly Grant[]> {
  const found: Grant[] = [];
  for await (const grant of provider.sharing?.list(id) ?? []) found.push(grant);
  return found;
}

const service: Principal = { kind: 'service-account', id: robot };

describe('a grant', () => {
  it('lets its principal read and use the family, and do nothing else', async () => {
    const id = await make();
    await expect(consumer.images.get(id)).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      providerCode: 'AuthorizationFailed',
    });
    await maker.sharing?.grant(id, [service], wide);
    expect(await consumer.images.get(id)).toMatchObject({
      project: maker.project,
      family: `web-${serial}`,
    });
    const copy = await consumer.images.create({
      name: `copy-${serial}`,
      source: { kind: 'image', image: { provider: 'azure', id } },
    });
    expect(copy).toMatchObject({ project: otherSubscription, origin: { id } });
    await expect(consumer.images.delete(id)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    const change = consumer.deprecation?.set(id, { state: 'OBSOLETE' });
    await expect(change).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    await maker.sharing?.revoke(id, [service], wide);
    await maker.sharing?.revoke(id, [service], wide);
    await expect(consumer.images.get(id)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  });

  it('is the same however often it is given, by whatever process', async () => {
    const id = await make();
    const other = await cloud.provider();
    const people: Principal[] = [{ kind: 'user', id: person }, service];
    await Promise.all([
      maker.sharing?.grant(id, people, wide),
      other.sharing?.grant(id, people, wide),
    ]);
    await maker.sharing?.grant(id, people, wide);
    const found = await grants(id);
    expect(found).toHaveLength(2);
    expect(found).toContainEqual({ principal: people[0], reach: 'family', state: 'ACTIVE' });
    expect(found).toContainEqual({ principal: service, reach: 'family', state: 'ACTIVE' });
  });

  it('that somebody gave by hand counts, and can be taken back', async () => {
    const id = await make();
    const scope = id.slice(0, id.indexOf('/versions/'));
    const name = '99999999-8888-4777-8666-555555555555';
    const url = `${cloud.emulator.endpoint}${scope}/providers/Microsoft.Authorization/roleAssignments/${name}?api-version=2022-04-01`;
    const roleDefinitionId = `/subscriptions/${maker.project}/providers/Microsoft.Authorization/roleDefinitions/cf7c76d2-98a3-4358-a134-615aa78bf44d`;
    const properties = { roleDefinitionId, principalId: robot, principalType: 'ServicePrincipal' };
    await fetch(url, { method: 'PUT', body: JSON.stringify({ properties }) });
    expect(await grants(id)).toHaveLength(1);
    await maker.sharing?.grant(id, [service], wide);
    expect(await grants(id)).toHaveLength(1);
    await maker.sharing?.revoke(id, [service], wide);
    expect(await grants(id)).toEqual([]);
  });

  it('at the gallery reaches every family', async () => {
    const [id, byGallery] = [await make(), await cloud.provider({ shareBy: 'gallery' })];
    expect(byGallery.sharing?.traits.unit).toBe('gallery');
    const narrow = byGallery.sharing?.grant(id, [service]);
    await expect(narrow).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining(gallery),
    });
    await byGallery.sharing?.grant(id, [service], wide);
    expect(await grants(id, byGallery)).toEqual([
      { principal: service, reach: 'gallery', state: 'ACTIVE' },
    ]);
    serial += 1000;
    expect((await consumer.images.get(await make())).status).toBe('READY');
    await byGallery.sharing?.revoke(id, [service], wide);
  });

  it('needs an object id', async () => {
    const id = await make();
    const grant = maker.sharing?.grant(id, [{ kind: 'user', id: 'ann@acme.com' }], wide);
    const error: unknown = await grant?.then(String, (reason: unknown) => reason);
    expect(ImgkitError.is(error, 'INVALID_ARGUMENT') && error.hint).toContain('object id');
  });
});

/** A gallery of the maker that was made to be shared in some way. */
function seedGallery(name: string, sharingProfile: JsonObject): void {
  const properties = { identifier: { uniqueName: `${maker.project}-${name}` }, sharingProfile };
  const id = gallery.replace(/[^/]+$/, name);
  cloud.emulator.seed(id, { location: 'eastus', properties });
}

async function sharingOf(one: Provider) {
  if (!isAzureSharing(one.sharing)) throw new Error('it is Azure’s');
  return one.sharing;
}

describe('an OBSOLETE image', () => {
  it('is taken from those whom imgkit let use it, when that is asked for, and given back', async () => {
    const strict = await cloud.provider({ onObsolete: 'revoke-access' });
    const id = await make();
    const definition = id.slice(0, id.indexOf('/versions/'));
    const people: Principal[] = Array.from({ length: 7 }, (_, index) => {
      const kind = index % 2 === 0 ? 'group' : 'user';
      return { kind, id: `${index}c0c0c0c-1111-2222-3333-444444444444` };
    });
    await strict.sharing?.grant(id, [service, ...people], wide);
    const byHand = `${definition}/providers/Microsoft.Authorization/roleAssignments/99999999-8888-4777-8666-555555555556`;
    const roleDefinitionId = `/subscriptions/${maker.project}/providers/Microsoft.Authorization/roleDefinitions/cf7c76d2-98a3-4358-a134-615aa78bf44d`;
    const properties = { roleDefinitionId, principalId: person, principalType: 'User' };
    const url = `${cloud.emulator.endpoint}${byHand}?api-version=2022-04-01`;
    await fetch(url, { method: 'PUT', body: JSON.stringify({ properties }) });
    cloud.emulator.seed(definition, { tags: { team: 'web' }, properties: { future: 1 } });

    // While another version of the family is in use, its readers keep it.
    const next = await strict.images.create({
      name: `next-${serial}`,
      family: `web-${serial}`,
      version: '2',
      source,
    });
    await strict.deprecation?.set(id, { state: 'OBSOLETE' });
    expect(await grants(id)).toHaveLength(9);
    await strict.deprecation?.set(next.ref.id, { state: 'OBSOLETE' });
    expect(await grants(id), 'what others gave stays').toEqual([
      { principal: { kind: 'user', id: person }, reach: 'family', state: 'ACTIVE' },
    ]);
    await expect(consumer.images.get(id)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    // Once more, and in between somebody dies: nothing is forgotten.
    await strict.deprecation?.set(next.ref.id, { state: 'DELETED' });
    await strict.deprecation?.set(next.ref.id, { state: 'ACTIVE' });
    expect(await grants(id)).toHaveLength(9);
    expect(await grants(id)).toContainEqual({
      principal: people[1],
      reach: 'family',
      state: 'ACTIVE',
    });
    expect((await consumer.images.get(id)).name).toBe(`web-${serial}`);
    expect(cloud.emulator.resource(definition)).toMatchObject({ properties: { future: 1 } });
    expect(cloud.emulator.resource(definition)?.['tags']).toEqual({ team: 'web' });
  });
});

describe('sharing directly', () => {
  it('lets subscriptions and tenants use the whole gallery, without a role', async () => {
    seedGallery('direct', { permissions: 'Groups' });
    const [one, other] = await Promise.all(
      [1, 2].map(() => cloud.provider({ gallery: 'direct', shareBy: 'direct' })),
    );
    if (!one || !other) throw new Error('there are two');
    const { ref } = await one.images.create({ name: 'web-1', family: 'web', version: '1', source });
    const project = `/sharedGalleries/${maker.project}-direct`;
    expect(await (await sharingOf(one)).gallery()).toMatchObject({
      permissions: 'Groups',
      project,
    });
    expect(one.sharing?.traits).toMatchObject({
      unit: 'gallery',
      principals: ['project', 'domain'],
    });
    const them: Principal = { kind: 'project', id: otherSubscription };
    const tenant: Principal = { kind: 'domain', id: '20000000-0000-0000-0000-000000000001' };
    await expect(one.sharing?.grant(ref.id, [them])).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    expect(await grants(ref.id, one)).toEqual([]);
    expect(await consumer.publishing?.head?.('web', { project })).toBeUndefined();
    // Two processes at the same time: neither grant gets lost.
    await Promise.all([
      one.sharing?.grant(ref.id, [them], wide),
      other.sharing?.grant(ref.id, [tenant], wide),
    ]);
    await one.sharing?.grant(ref.id, [them], wide);
    expect(await grants(ref.id, one)).toEqual([
      { principal: them, reach: 'gallery', state: 'ACTIVE' },
      { principal: tenant, reach: 'gallery', state: 'ACTIVE' },
    ]);
    const head = await consumer.publishing?.head?.('web', { project });
    expect(head).toMatchObject({ name: 'web-1', version: '1', project });
    const copy = await consumer.images.create({
      name: 'copy-direct',
      source: { kind: 'image', image: { provider: 'azure', id: head?.ref.id ?? '' } },
    });
    expect(copy.status).toBe('READY');
    await one.sharing?.revoke(ref.id, [them], wide);
    await one.sharing?.revoke(ref.id, [them], wide);
    expect(await consumer.publishing?.head?.('web', { project })).toBeUndefined();
    expect(await grants(ref.id, one)).toHaveLength(1);
    await (await sharingOf(one)).reset();
    expect(await grants(ref.id, one)).toEqual([]);
  });

  it('needs GUIDs, and has limits', async () => {
    seedGallery('crowded', { permissions: 'Groups' });
    const one = await cloud.provider({ gallery: 'crowded', shareBy: 'direct' });
    const { ref } = await one.images.create({ name: 'web-1', family: 'web', version: '1', source });
    const named = one.sharing?.grant(ref.id, [{ kind: 'project', id: 'team-a' }], wide);
    await expect(named).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const many = Array.from({ length: 31 }, (_, at): Principal => {
      const id = `${String(at).padStart(8, '0')}-0000-4000-8000-000000000000`;
      return { kind: 'project', id };
    });
    const start = cloud.emulator.requests.length;
    await expect(one.sharing?.grant(ref.id, many, wide)).rejects.toMatchObject({
      code: 'QUOTA_EXCEEDED',
    });
    expect(cloud.emulator.requests.slice(start).every(({ method }) => method === 'GET')).toBe(true);
  });
});

describe('sharing with everybody', () => {
  const communityGalleryInfo = {
    publisherUri: 'https://acme.test',
    publisherContact: 'a@acme.test',
    eula: 'https://acme.test/eula',
    publicNamePrefix: 'acmeimages',
  };

  it('opens the whole gallery under a public name, which is told', async () => {
    seedGallery('open', { permissions: 'Community', communityGalleryInfo });
    const one = await cloud.provider({ gallery: 'open', shareBy: 'community' });
    const { ref } = await one.images.create({ name: 'web-1', family: 'web', version: '1', source });
    const sharing = await sharingOf(one);
    expect((await sharing.gallery()).project).toBeUndefined();
    await expect(sharing.grant(ref.id, [{ kind: 'everyone' }])).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    await expect(sharing.grant(ref.id, [service], wide)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
    await sharing.grant(ref.id, [{ kind: 'everyone' }], wide);
    await sharing.grant(ref.id, [{ kind: 'everyone' }], wide);
    const { project, open } = await sharing.gallery();
    expect([open, project]).toEqual([
      true,
      expect.stringMatching(/^\/communityGalleries\/acmeimages-/),
    ]);
    expect(await grants(ref.id, one)).toEqual([
      { principal: { kind: 'everyone' }, reach: 'gallery', state: 'ACTIVE' },
    ]);
    expect(await consumer.publishing?.head?.('web', { project })).toMatchObject({ name: 'web-1' });
    await sharing.revoke(ref.id, [{ kind: 'everyone' }], wide);
    expect(await consumer.publishing?.head?.('web', { project })).toBeUndefined();
  });

  it.each(['direct', 'community'] as const)(
    'or %s is refused to a gallery that was not made for it',
    async (shareBy) => {
      const one = await cloud.provider({ shareBy });
      const id = await make();
      const principal: Principal =
        shareBy === 'direct' ? { kind: 'project', id: otherSubscription } : { kind: 'everyone' };
      await expect(one.sharing?.grant(id, [principal], wide)).rejects.toMatchObject({
        code: 'FAILED_PRECONDITION',
        message: expect.stringContaining("can't be changed afterwards"),
        hint: expect.stringContaining('az sig create'),
      });
    },
  );
});
