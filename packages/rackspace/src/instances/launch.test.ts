import { ImgkitError, systemClock, type LaunchRequest } from '@imgkit/core';
import { describe, expect, it } from 'vitest';

import {
  fakeTransport,
  quickRetrier,
  settings,
  textOf,
  tokenAnswer,
  type Answer,
} from '../../test/fake-cloud.ts';
import { connect } from '../client.ts';
import { RackspaceInstances } from '../instances.ts';
import type { NewServer } from '../nova/nova-server.ts';
import { CloudContext } from '../resources/context.ts';

const project = 'a'.repeat(32);
const publicKey = 'ssh-ed25519 AAAA me';
const image = {
  id: 'i1',
  name: 'web',
  status: 'active',
  owner: project,
  visibility: 'private',
  created_at: '2026-11-21T09:00:00Z',
  disk_format: 'raw',
  size: 1000,
};
const flavor = { id: 'f1', name: 'small', vcpus: 1, ram: 1024, disk: 10 };

/** A Nova in memory, which `meddle` may answer for. */
function cloud(
  meddle: (request: string, servers: object[]) => Answer | undefined = () => undefined,
) {
  const servers: { id: string; name: string; status: string; created: string }[] = [];
  const keyPairs = new Set<string>();
  const made: NewServer[] = [];
  const answer = (method: string, path: string, body: string): Answer => {
    if (path.startsWith('/v2/images/')) return { json: image };
    if (path === '/v2.1/flavors/detail') return { json: { flavors: [flavor] } };
    if (path === '/v2.1/flavors/f1') return { json: { flavor } };
    if (path === '/v2.1/os-keypairs' && method === 'POST')
      keyPairs.add(JSON.parse(body).keypair.name);
    if (path.startsWith('/v2.1/os-keypairs/'))
      keyPairs.delete(path.slice('/v2.1/os-keypairs/'.length));
    if (path.startsWith('/v2.1/os-keypairs'))
      return { json: { keypairs: [...keyPairs].map((name) => ({ keypair: { name } })) } };
    if (path === '/v2.1/servers/detail') return { json: { servers } };
    if (path === '/v2.1/servers') {
      const { server } = JSON.parse(body);
      made.push(server);
      const created = '2026-11-21T09:00:00Z';
      const { name, metadata, key_name } = server;
      const one = { id: `s${made.length}`, name, status: 'ACTIVE', created, metadata, key_name };
      servers.push(Object.assign(one, { flavor: { id: 'f1' }, image: { id: 'i1' } }));
      return { status: 202, json: { server: { id: one.id, adminPass: 'hidden-pass' } } };
    }
    const index = servers.findIndex(({ id }) => path === `/v2.1/servers/${id}`);
    if (index < 0) return { status: 404 };
    if (method === 'DELETE') servers.splice(index, 1);
    return method === 'DELETE' ? { status: 204 } : { json: { server: servers[index] } };
  };
  const { send, requests } = fakeTransport((request) => {
    const { method, url } = request;
    const path = new URL(url).pathname;
    if (path.endsWith('/auth/tokens')) return tokenAnswer('t1');
    const usual = answer(method, path, textOf(request));
    return meddle(`${method} ${path}`, servers) ?? usual;
  });
  const client = connect(settings, quickRetrier(), send);
  const clock = { ...systemClock(), sleep: async () => undefined };
  const context = new CloudContext({ provider: 'lab', project, client, clock });
  const instances = new RackspaceInstances(context);
  const launch = async (more: Partial<LaunchRequest> = {}) =>
    instances.launch({
      name: 'builder',
      boot: { kind: 'image', image: { provider: 'lab', id: 'i1' } },
      idempotencyKey: 'k1',
      ...more,
    });
  return { instances, launch, made, servers, keyPairs, requests };
}

describe('a launch', () => {
  it('says all that the server is to be, and takes its key pair away again', async () => {
    const { launch, made, keyPairs, requests } = cloud();
    const authorizedKeys = [{ user: 'root', publicKey }];
    await launch({ authorizedKeys, metadata: { role: 'web' }, labels: { a: 'b' } });
    expect(made).toEqual([
      {
        name: 'builder',
        imageRef: 'i1',
        flavorRef: 'f1',
        key_name: expect.stringMatching(/^imgkit-owned-/),
        config_drive: true,
        user_data: expect.any(String),
        metadata: {
          role: 'web',
          'imgkit:label:a': 'b',
          'imgkit:ports': '22',
          'imgkit:key': expect.stringMatching(/^[\da-f]{64}$/),
        },
      },
    ]);
    expect(Buffer.from(made[0]?.user_data ?? '', 'base64').toString()).toContain(publicKey);
    expect(requests.some(({ method, url }) => method === 'POST' && url.includes('keypairs'))).toBe(
      true,
    );
    expect(keyPairs.size).toBe(0);
  });

  it('that was cut off leaves no key pair behind once its server is deleted', async () => {
    const { instances, launch, made, keyPairs, requests } = cloud();
    const { id } = await launch({ authorizedKeys: [{ user: 'root', publicKey }] });
    // Of an earlier try, whose run would have ended at another time.
    const mark = /^imgkit-owned-[\da-f]+-/.exec(made[0]?.key_name ?? '')?.[0] ?? '';
    keyPairs.add(`${mark}e30`).add('mine');
    await instances.delete(id);
    expect([...keyPairs]).toEqual(['mine']);
    // Cut off, a deletion goes on by the server: so that goes last.
    const deleted = requests.filter(({ method }) => method === 'DELETE').map(({ url }) => url);
    expect(deleted.at(-1)).toContain('/servers/');
  });

  it('finds the server whose answer was lost, and makes no other', async () => {
    let lost = false;
    const { launch, made } = cloud((request) => {
      if (lost || request !== 'POST /v2.1/servers') return undefined;
      lost = true;
      return { status: 503 };
    });
    expect((await launch()).id).toBe('s1');
    expect(made).toHaveLength(1);
    expect((await launch()).id).toBe('s1');
    expect(made).toHaveLength(1);
  });

  it('leaves the name to a server that is older, and takes its own back', async () => {
    const older = { id: 's0', name: 'builder', status: 'ACTIVE', created: '2026-11-21T08:00:00Z' };
    const { launch, servers } = cloud((request, all) => {
      if (request === 'POST /v2.1/servers') all.push({ ...older, flavor: { id: 'f1' } });
      return undefined;
    });
    await expect(launch()).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    expect(servers.map(({ id }) => id)).toEqual(['s0']);
  });

  it.each([
    ['No valid host was found. ', 'OPERATION_FAILED', 'another flavor'],
    ['Quota exceeded for cores', 'QUOTA_EXCEEDED', 'higher quota'],
  ])('that the cloud gives up (%s) says why, and leaves nothing', async (message, code, hint) => {
    const { launch, servers } = cloud((request, all) => {
      if (request === 'POST /v2.1/servers')
        Object.assign(all[0] ?? {}, { status: 'ERROR', fault: { code: 500, message } });
      return undefined;
    });
    await expect(launch()).rejects.toMatchObject({ code, hint: expect.stringContaining(hint) });
    expect(servers).toEqual([]);
  });

  it.each<[string, Partial<LaunchRequest>, string]>([
    ['a volume', { boot: { kind: 'disk', disk: 'v1' } }, 'UNSUPPORTED'],
    ['a further disk', { disks: [{ sizeBytes: 2 ** 30 }] }, 'UNSUPPORTED'],
    ['too much user data', { userData: `#!/bin/sh\n${'x'.repeat(60_000)}` }, 'INVALID_ARGUMENT'],
    ['metadata of ours', { metadata: { 'imgkit:key': 'x' } }, 'INVALID_ARGUMENT'],
    ['long metadata', { metadata: { a: 'x'.repeat(256) } }, 'INVALID_ARGUMENT'],
    ['an unknown option', { providerOptions: { colour: 'red' } }, 'INVALID_ARGUMENT'],
    ['a port that is none', { ports: [0] }, 'INVALID_ARGUMENT'],
  ])('with %s is refused before anything is made', async (_, wishes, code) => {
    const { launch, made, keyPairs } = cloud();
    const authorizedKeys = [{ user: 'root', publicKey }];
    await expect(launch({ authorizedKeys, ...wishes })).rejects.toMatchObject({
      code,
      hint: expect.any(String),
    });
    expect([made.length, keyPairs.size]).toEqual([0, 0]);
  });

  it('keeps the password that the cloud makes up to itself', async () => {
    const { launch } = cloud((request, all) => {
      if (request !== 'POST /v2.1/servers') return undefined;
      all.length = 0;
      return { status: 202, json: { server: { adminPass: 'hidden-pass' } } };
    });
    const error: unknown = await launch().then(String, (reason: unknown) => reason);
    expect(ImgkitError.is(error, 'PROTOCOL')).toBe(true);
    expect(JSON.stringify([error, String(error)])).not.toContain('hidden-pass');
    expect(JSON.stringify(await cloud().launch())).not.toContain('hidden-pass');
  });
});
