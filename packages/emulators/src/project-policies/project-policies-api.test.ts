import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { textOf, type Json } from '../control-plane/json.ts';
import { startGceEmulator, type GceEmulator } from '../gce-emulator.ts';

const ann = 'user:ann@acme.com';
const bob = 'user:bob@other.org';

let emulator: GceEmulator;

beforeAll(async () => {
  emulator = await startGceEmulator({
    projects: [{ id: 'acme', bindings: [{ role: 'roles/editor', members: [ann] }] }],
  });
  emulator.project('acme').addImage({ name: 'web-1' });
});
afterAll(() => emulator.close());

async function send(method: string, path: string, body?: Json, member?: string) {
  const answer = await fetch(`${emulator.endpoint}${path}`, {
    method,
    headers: member === undefined ? {} : { authorization: `Bearer ${emulator.token(member)}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: Object(await answer.json()) };
}

describe('the policy of a project', () => {
  it('is read, and changed only from where it is', async () => {
    const before = await send('POST', '/v3/projects/acme:getIamPolicy', {
      options: { requestedPolicyVersion: 3 },
    });
    expect(before).toMatchObject({
      status: 200,
      body: { version: 1, bindings: [{ role: 'roles/editor', members: [ann] }] },
    });
    const image = '/compute/v1/projects/acme/global/images/web-1';
    expect(await send('GET', image, undefined, bob)).toMatchObject({ status: 403 });
    const policy = {
      etag: textOf(before.body, 'etag'),
      bindings: [
        { role: 'roles/editor', members: [ann] },
        { role: 'roles/compute.imageUser', members: [bob] },
      ],
    };
    const { number } = emulator.project('acme');
    const changed = await send('POST', `/v1/projects/${number}:setIamPolicy`, { policy });
    expect(changed).toMatchObject({ status: 200, body: { bindings: policy.bindings } });
    expect(await send('GET', image, undefined, bob)).toMatchObject({ status: 200 });
    const stale = await send('POST', '/v3/projects/acme:setIamPolicy', { policy });
    expect(stale).toMatchObject({ status: 412 });
    expect(await send('POST', '/v3/projects/acme:setIamPolicy')).toMatchObject({ status: 400 });
  });

  it('is for owners to change', async () => {
    const answer = await send('POST', '/v3/projects/acme:setIamPolicy', { policy: {} }, ann);
    expect(answer).toMatchObject({ status: 403 });
    const permissions = ['compute.images.create', 'resourcemanager.projects.setIamPolicy'];
    const asked = await send('POST', '/v3/projects/acme:testIamPermissions', { permissions }, ann);
    expect(asked.body).toEqual({ permissions: ['compute.images.create'] });
    const missing = await send('POST', '/v3/projects/nobody:getIamPolicy', {});
    expect(missing).toMatchObject({ status: 403 });
  });

  it('is all there is of the service', async () => {
    expect(await send('GET', '/v3/projects/acme')).toMatchObject({ status: 501 });
    expect(emulator.violations).toMatchObject([
      { message: 'GET /v3/projects/acme of Cloud Resource Manager is not emulated.' },
    ]);
    expect(emulator.requests[0]?.rpc).toBe('Projects.GetIamPolicy');
  });
});
