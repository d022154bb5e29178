import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';

import { ask, diskFile, kitOf, missing, providerOf, scratch } from './openstack.ts';

const json = { 'content-type': 'application/json' };
const servers = z.object({ servers: z.array(z.object({ id: z.string(), name: z.string() })) });

/** A project with an image; what is on its disk can't boot, so that its servers cost nothing. */
async function world() {
  const kit = await kitOf(providerOf('consumer-a'));
  const provider = kit.providers.get('consumer-a');
  const { instances } = provider;
  if (instances === undefined) throw new Error('there are no instances');
  const name = `t-${randomBytes(4).toString('hex')}`;
  const file = await diskFile(join(await scratch(), 'disk.raw'));
  const image = await provider.images.create({ name, source: { kind: 'file', file } });
  onTestFinished(async () => provider.images.delete(image.ref.id));
  const request = { name, boot: { kind: 'image', image: image.ref }, machineType: 'tiny' } as const;
  /** The servers that there are, as Nova itself has them. */
  const standing = async () => {
    const response = await ask('consumer-a', 'compute', '/servers');
    return servers.parse(await response.json()).servers.filter((one) => one.name === name);
  };
  return { instances, provider, request, standing };
}

describe.skipIf(missing !== undefined)('a launch at a real Nova', () => {
  it('over the quota is refused, and leaves nothing', async () => {
    const { instances, provider, request, standing } = await world();
    const quota = (content: object) =>
      ask('admin', 'compute', `/os-quota-sets/${provider.project}`, {
        method: 'PUT',
        headers: json,
        body: JSON.stringify({ quota_set: content }),
      });
    onTestFinished(async () => void (await quota({ instances: 100 })));
    expect((await quota({ instances: 0 })).status).toBe(200);
    await expect(instances.launch(request).then(String)).rejects.toMatchObject({
      code: 'QUOTA_EXCEEDED',
      message: expect.stringContaining('instances'),
      hint: expect.stringContaining('higher quota'),
      requestId: expect.stringMatching(/^req-/),
    });
    expect(await standing()).toEqual([]);
  });

  it('that no host has room for says so, and leaves nothing', async () => {
    const { instances, request, standing } = await world();
    const launched = instances.launch({ ...request, machineType: 'huge' });
    await expect(launched.then(String)).rejects.toMatchObject({
      code: 'OPERATION_FAILED',
      message: expect.stringContaining('No valid host'),
      hint: expect.stringContaining('another flavor'),
    });
    expect(await standing()).toEqual([]);
  });

  it('happens once for two programs with one key, and to one of two with different keys', async () => {
    const { instances, request, standing } = await world();
    const other = (await kitOf(providerOf('consumer-a'))).providers.get('consumer-a').instances;
    const launch = (key: string) =>
      Promise.allSettled(
        [instances, other].map(async (one, index) =>
          one?.launch({ ...request, idempotencyKey: key.replace('*', String(index)) }),
        ),
      );
    const same = await launch('same');
    const ids = same.map((one) => (one.status === 'fulfilled' ? one.value?.id : one.reason));
    expect(new Set(ids)).toEqual(new Set((await standing()).map(({ id }) => id)));
    for (const { id } of await standing()) await instances.delete(id);

    const different = await launch('different-*');
    const codes = different.map((one): string =>
      one.status === 'fulfilled' ? 'made' : String(one.reason.code),
    );
    expect(codes.toSorted()).toEqual(['ALREADY_EXISTS', 'made']);
    expect(await standing()).toHaveLength(1);
    for (const { id } of await standing()) await instances.delete(id);
  });

  it('keeps what was given to it, and is in use by nobody when it is gone', async () => {
    const { instances, provider, request } = await world();
    const { id } = await instances.launch({
      ...request,
      labels: { 'imgkit-run': request.name },
      metadata: { role: 'web' },
      ports: [8080],
      authorizedKeys: [{ user: 'root', publicKey: `ssh-ed25519 ${keyBlob} test` }],
    });
    expect(await instances.get(id)).toMatchObject({
      name: request.name,
      status: 'RUNNING',
      machineType: 'tiny',
      metadata: { role: 'web' },
      labels: { 'imgkit-run': request.name },
      image: request.boot.image,
      disks: [{ boot: true, sizeBytes: 2 ** 30 }],
    });
    const { host } = await instances.endpoint(id, 8080);
    expect(host).toMatch(/^127\./);
    await expect(instances.endpoint(id, 8081)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('ports'),
    });
    const owned: string[] = [];
    for await (const { kind, id: one } of provider.owned.list({ 'imgkit-run': request.name }))
      owned.push(`${kind} ${one}`);
    // The key pair is gone already.
    expect(owned).toEqual([`instance ${id}`]);
    await instances.delete(id);
    const { users = [] } = (await provider.usage?.of(request.boot.image.id)) ?? {};
    expect(users).toEqual([]);
  });
});

/** The form of a key of OpenSSH's: a type, and 32 bytes. */
const keyBlob = Buffer.concat([
  Buffer.from([0, 0, 0, 11]),
  Buffer.from('ssh-ed25519'),
  Buffer.from([0, 0, 0, 32]),
  Buffer.alloc(32, 7),
]).toString('base64');
