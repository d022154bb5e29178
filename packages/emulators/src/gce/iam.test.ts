import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { rest, type Rest } from '../../test/rest.ts';
import { createVirtualClock, type VirtualClock } from '../control-plane/clock.ts';
import { textOf, type Json } from '../control-plane/json.ts';
import { startGceEmulator, type GceEmulator } from '../gce-emulator.ts';

const team = 'group:team@acme.com';
const ann = 'user:ann@acme.com';
const bob = 'user:bob@other.org';
const robot = 'serviceAccount:builder@acme.iam.gserviceaccount.com';

let clock: VirtualClock;
let emulator: GceEmulator;
let owner: Rest;

beforeAll(async () => {
  clock = createVirtualClock('2026-11-21T12:00:00Z');
  emulator = await startGceEmulator({
    clock,
    operationMs: 0,
    projects: [
      {
        id: 'acme',
        bindings: [
          { role: 'roles/compute.storageAdmin', members: [robot] },
          { role: 'roles/viewer', members: [ann] },
          { role: 'roles/editor', members: ['user:ed@acme.com'] },
          { role: 'projects/acme/roles/baker', members: ['user:bake@acme.com'] },
        ],
      },
      { id: 'other', bindings: [{ role: 'roles/owner', members: [bob, ann] }] },
    ],
    groups: { 'team@acme.com': [bob] },
    roles: { 'projects/acme/roles/baker': ['compute.images.get'] },
  });
  emulator.project('acme').addImage({ name: 'web-1', family: 'web' });
  emulator.project('acme').addImage({ name: 'private' });
  owner = rest(emulator, 'acme');
});
afterAll(() => emulator.close());

const as = (member: string, project = 'acme') => rest(emulator, project, member);
const policyPath = '/global/images/web-1/getIamPolicy?optionsRequestedPolicyVersion=3';

async function grant(bindings: Json, version?: number) {
  const { body } = await owner.send('GET', policyPath);
  const policy = { bindings, etag: textOf(body, 'etag'), ...(version ? { version } : {}) };
  return owner.send('POST', '/global/images/web-1/setIamPolicy', { policy });
}

describe('roles of a project', () => {
  const image = '/global/images/web-1';
  it.each([
    [robot, 'GET', image, 200],
    [robot, 'GET', '/zones/us-east1-b', 200],
    [ann, 'GET', image, 200],
    [ann, 'DELETE', image, 403],
    ['user:bake@acme.com', 'GET', image, 200],
    ['user:bake@acme.com', 'GET', '/global/images', 403],
    ['user:ed@acme.com', 'GET', '/global/images/family/web', 200],
    ['user:ed@acme.com', 'POST', `${image}/setIamPolicy`, 403],
    [bob, 'GET', image, 403],
    [bob, 'GET', '/global/images/nothing', 403],
    [ann, 'GET', '/global/images/nothing', 404],
  ])('%s may %s %s: %i', async (member, method, path, status) => {
    expect(await as(member).send(method, path)).toMatchObject({ status });
  });

  it('say what is missing', async () => {
    expect(await as(bob).send('GET', '/global/images/private')).toMatchObject({
      status: 403,
      reason: 'forbidden',
      message: "Required 'compute.images.get' permission for 'projects/acme/global/images/private'",
    });
  });

  it('sign what they do', async () => {
    const body = { name: 'signed', sourceImage: 'global/images/web-1' };
    const { body: operation } = await as(robot).send('POST', '/global/images', body);
    expect(operation['user']).toBe('builder@acme.iam.gserviceaccount.com');
    expect(emulator.requests.at(-1)?.member).toBe(robot);
  });
});

const use = (member: string, name: string) =>
  as(member, 'other').send('POST', '/global/images', {
    name,
    sourceImage: 'projects/acme/global/images/web-1',
  });
const user = (members: string[]) => [{ role: 'roles/compute.imageUser', members }];

const seenBy = async (account: string) =>
  (await as(`serviceAccount:${account}`).send('GET', '/global/images/web-1')).status;

describe('the policy of an image', () => {
  it('lets others use it, and no more', async () => {
    expect(await use(bob, 'b1')).toMatchObject({
      status: 403,
      message: expect.stringContaining(
        "'compute.images.useReadOnly' permission for 'projects/acme",
      ),
    });
    await grant(user([team]));
    expect(await use(bob, 'b1')).toMatchObject({ status: 200 });
    expect(await as(bob).send('GET', '/global/images/web-1')).toMatchObject({ status: 200 });
    expect(await as(bob).send('GET', '/global/images/private')).toMatchObject({ status: 403 });
    expect(await as(bob).send('GET', '/global/images')).toMatchObject({ status: 403 });
    expect(await as(bob).send('GET', '/global/images/family/web')).toMatchObject({ status: 200 });
    await grant([]);
    expect(await use(bob, 'b2')).toMatchObject({ status: 403 });
  });

  it.each([
    ['domain:other.org', true],
    ['domain:acme.com', false],
    ['allAuthenticatedUsers', true],
    ['user:bob@other.org', true],
    ['user:bob@acme.com', false],
  ])('knows %s', async (member, included) => {
    await grant(user([member]));
    const { status } = await as(bob).send('GET', '/global/images/web-1');
    expect(status).toBe(included ? 200 : 403);
  });

  it('knows the service accounts of a project', async () => {
    const { number } = emulator.project('other');
    const all = `principalSet://cloudresourcemanager.googleapis.com/projects/${number}/type/ServiceAccount`;
    await grant(user([all]));
    expect(await seenBy('web@other.iam.gserviceaccount.com')).toBe(200);
    expect(await seenBy(`${number}-compute@developer.gserviceaccount.com`)).toBe(200);
    expect(await seenBy('web@third.iam.gserviceaccount.com')).toBe(403);
    expect(await seenBy('1-compute@developer.gserviceaccount.com')).toBe(403);
  });

  it('is changed only from where it is', async () => {
    const { body } = await owner.send('GET', policyPath);
    const path = '/global/images/web-1/setIamPolicy';
    const policy = { bindings: user([ann]), etag: textOf(body, 'etag') };
    const changed = await owner.send('POST', path, { policy });
    expect(changed).toMatchObject({ status: 200, body: { bindings: user([ann]) } });
    expect(changed.body['etag']).not.toBe(body['etag']);
    expect(await owner.send('POST', path, { policy })).toMatchObject({
      status: 412,
      reason: 'conditionNotMet',
    });
    // Without an etag, whoever comes last wins.
    expect(await owner.send('POST', path, { policy: { bindings: [] } })).toMatchObject({
      status: 200,
    });
  });

  it.each([
    [user(['allUsers']), 'allUsers'],
    [user(['ann@acme.com']), 'Invalid member'],
    [[{ role: 'imageUser', members: [ann] }], 'imageUser'],
    [[{ members: [ann] }], 'names no role'],
    [user(Array.from({ length: 1501 }, (_, index) => `user:u${index}@a.b`)), '1501'],
  ])('refuses %j', async (bindings, message) => {
    const answer = await grant(bindings);
    expect(answer).toMatchObject({ status: 400, message: expect.stringContaining(message) });
  });

  it('keeps conditions, for those who ask for version 3', async () => {
    const condition = {
      title: 't',
      expression: 'request.time < timestamp("2026-11-21T13:00:00Z")',
    };
    const bindings = [{ ...user([bob])[0], condition }];
    expect(await grant(bindings)).toMatchObject({ status: 400 });
    expect(await grant(bindings, 3)).toMatchObject({ status: 200, body: { version: 3, bindings } });
    expect((await owner.send('GET', policyPath)).body).toMatchObject({ version: 3, bindings });
    const old = await owner.send('GET', '/global/images/web-1/getIamPolicy');
    expect(old.body).toMatchObject({
      version: 1,
      bindings: [{ role: expect.stringMatching(/_withcond_/), members: [bob] }],
    });
    // A writer that knows nothing of conditions doesn't lose them.
    const blind = { policy: { bindings: [] } };
    expect(await owner.send('POST', '/global/images/web-1/setIamPolicy', blind)).toMatchObject({
      status: 400,
    });
    expect(await as(bob).send('GET', '/global/images/web-1')).toMatchObject({ status: 200 });
    await clock.advance(3_600_000);
    expect(await as(bob).send('GET', '/global/images/web-1')).toMatchObject({ status: 403 });
    await grant([], 3);
  });

  it('tells which permissions one has', async () => {
    const permissions = ['compute.images.get', 'compute.images.delete'];
    const path = '/global/images/web-1/testIamPermissions';
    const ask = async (api: Rest) => (await api.send('POST', path, { permissions })).body;
    expect(await ask(owner)).toEqual({ permissions });
    expect(await ask(as(ann))).toEqual({ permissions: ['compute.images.get'] });
    expect(await ask(as(bob))).toEqual({ permissions: [] });
  });
});

describe('a project of public images', () => {
  it("is everyone's to use and list", async () => {
    emulator.project('other').addImage({ name: 'base', family: 'base' });
    const path = '/global/images/family/base';
    expect(await as(robot, 'other').send('GET', path)).toMatchObject({ status: 403 });
    emulator.project('other').makePublic();
    expect(await as(robot, 'other').send('GET', path)).toMatchObject({ status: 200 });
    const listed = await as(robot, 'other').send('GET', '/global/images');
    expect(listed).toMatchObject({ status: 200 });
    const used = { name: 'of-base', sourceImage: 'projects/other/global/images/family/base' };
    expect(await as(robot).send('POST', '/global/images', used)).toMatchObject({ status: 200 });
  });
});
