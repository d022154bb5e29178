import { createImgkit, user } from '@imgkit/core';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';

import { gce } from '../src/plugin.ts';
import { failure, ScriptedServer } from './scripted-server.ts';

const id = 'projects/acme/global/images/web';
const owner = { role: 'roles/owner', members: ['user:boss@acme.com'] };

/** A project with one image, and the Resource Manager that keeps its policy. */
async function start() {
  let policy = { etag: 'e1', version: 1, bindings: [owner] };
  let races = 1;
  const server = await ScriptedServer.start(({ path, body }) => {
    if (path.endsWith('/images/web')) return { body: { name: 'web', status: 'READY' } };
    if (path === '/v1/projects/acme:getIamPolicy') return { body: policy };
    if (path !== '/v1/projects/acme:setIamPolicy') return failure(404, 'notFound');
    const given = JSON.parse(JSON.stringify(body)).policy;
    if (given.etag !== policy.etag || races-- > 0) return failure(409, 'aborted');
    policy = { ...given, etag: `${policy.etag}+` };
    return { body: policy };
  });
  const stateDirectory = await mkdtemp(join(tmpdir(), 'imgkit-gce-'));
  const kit = await createImgkit({
    stateDirectory,
    providers: [gce({ endpoint: server.endpoint, project: 'acme', shareBy: 'project' })],
  });
  onTestFinished(async () => {
    await kit[Symbol.asyncDispose]();
    await server.close();
    await rm(stateDirectory, { recursive: true, force: true });
  });
  const { sharing } = kit.providers.get('gce');
  if (!sharing) throw new Error('the provider has no sharing');
  return { sharing, server, bindings: () => policy.bindings };
}

it('shares a whole project, when it is asked to and the caller knows', async () => {
  const { sharing, server, bindings } = await start();
  expect(sharing.traits).toMatchObject({ unit: 'project', consumerLists: true });
  const to = [user('ann@acme.com')];
  await expect(sharing.grant(id, to)).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    hint: expect.stringContaining('allowWider'),
  });
  expect(server.requests).toHaveLength(0);

  await sharing.grant(id, to, { allowWider: true });
  const granted = { role: 'roles/compute.imageUser', members: ['user:ann@acme.com'] };
  expect(bindings()).toEqual([owner, granted]);
  const grants = [];
  for await (const grant of sharing.list(id)) grants.push(grant);
  expect(grants).toEqual([{ principal: to[0], reach: 'project', state: 'ACTIVE' }]);
  await sharing.revoke(id, to, { allowWider: true });
  expect(bindings()).toEqual([owner]);
  expect(server.requests.some(({ path }) => path === `/compute/v1/${id}`)).toBe(true);
});

it('says that an image isn’t there before it shares a project for it', async () => {
  const { sharing, bindings } = await start();
  const gone = sharing.grant(`${id}-2`, [user('ann@acme.com')], { allowWider: true });
  await expect(gone).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(bindings()).toEqual([owner]);
});
