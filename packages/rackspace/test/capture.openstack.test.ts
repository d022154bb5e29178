import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';

import { ask, diskFile, kitOf, missing, openstack, providerOf, scratch } from './openstack.ts';

const headers = {
  'content-type': 'application/json',
  'openstack-api-version': 'compute 2.45',
};

/** Asks until a server is in a state. */
async function awaitServer(id: string, wanted: string): Promise<void> {
  const schema = z.object({ server: z.object({ status: z.string() }) });
  for (;;) {
    const response = await ask('images', 'compute', `/servers/${id}`);
    const { status } = schema.parse(await response.json()).server;
    if (status === wanted) return;
    if (status === 'ERROR') throw new Error(`server ${id} failed`);
    const { promise, resolve } = Promise.withResolvers<void>();
    setTimeout(resolve, 100);
    await promise;
  }
}

/** A server of an image, made beside the adapter; nothing runs in it, but it has a disk. */
async function launch(image: string, name: string): Promise<{ id: string; disk: string }> {
  const server = { name, imageRef: image, flavorRef: 'tiny', networks: 'none' };
  const body = JSON.stringify({ server });
  const response = await ask('images', 'compute', '/servers', { method: 'POST', headers, body });
  const { id } = z
    .object({ server: z.object({ id: z.string() }) })
    .parse(await response.json()).server;
  onTestFinished(async () => {
    await ask('images', 'compute', `/servers/${id}`, { method: 'DELETE' });
  });
  await awaitServer(id, 'ACTIVE');
  return { id, disk: join(openstack().directory, 'nova', 'instances', id, 'disk') };
}

/** A server of an image that has labels, a family and properties of others. */
async function world() {
  const kit = await kitOf(providerOf('images'));
  const provider = kit.providers.get('images');
  const run = `t-${randomBytes(4).toString('hex')}`;
  const directory = await scratch();
  const file = await diskFile(join(directory, 'disk.raw'));
  const base = await provider.images.create({
    name: `${run}-base`,
    source: { kind: 'file', file },
    family: `${run}-base`,
    version: '1',
    description: 'The base.',
    labels: { 'imgkit-run': run, old: 'label' },
  });
  onTestFinished(async () => provider.images.delete(base.ref.id));
  const patch = [{ op: 'add', path: '/hw_disk_bus', value: 'virtio' }];
  await ask('images', 'image', `/v2/images/${base.ref.id}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/openstack-images-v2.1-json-patch' },
    body: JSON.stringify(patch),
  });
  const server = await launch(base.ref.id, run);
  const source = { kind: 'instance', instance: server.id } as const;
  return { provider, run, base, server, source, directory };
}

describe.skipIf(missing !== undefined)('an image of a server', () => {
  it('has the server’s disk, its own labels, and nothing of ours from the server’s image', async () => {
    const { provider, run, base, server, source, directory } = await world();
    const { images } = provider;
    const request = {
      name: `${run}-web`,
      source,
      family: `${run}-web`,
      version: '2',
      staged: true,
      labels: { 'imgkit-run': run, made: 'here' },
      idempotencyKey: run,
    };
    await expect(images.create(request).then(String)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('whenRunning'),
    });
    const disk = randomBytes(70_000);
    await writeFile(server.disk, disk);
    const whenRunning = 'stop' as const;
    const capture = { ...request, source: { ...source, whenRunning } };
    const [image, again] = await Promise.all([images.create(capture), images.create(capture)]);
    onTestFinished(async () => images.delete(image.ref.id));
    expect(again.ref).toEqual(image.ref);
    expect(image).toMatchObject({
      name: `${run}-web`,
      family: `${run}-web`,
      version: '2',
      published: false,
      status: 'READY',
      description: undefined,
      origin: { kind: 'instance', id: server.id },
      native: { hw_disk_bus: 'virtio', visibility: 'private', 'imgkit:parent': base.ref.id },
    });
    expect(image.labels).toEqual({ 'imgkit-run': run, made: 'here' });
    const to = join(directory, 'copy.raw');
    await provider.transfer?.export({ image: image.ref.id, to, format: 'raw' });
    expect((await readFile(to)).equals(disk)).toBe(true);

    const { users = [] } = (await provider.usage?.of(base.ref.id)) ?? {};
    expect(users.map(({ kind, id }) => `${kind} ${id}`).toSorted()).toEqual([
      `image ${image.ref.id}`,
      `instance ${server.id}`,
    ]);
  });

  it('is made once at a time, and refused under a name that is taken', async () => {
    const { provider, run, base, source } = await world();
    const flush = { ...source, whenRunning: 'flush' as const };
    const labels = { 'imgkit-run': run };
    const capture = (name: string) =>
      provider.images.create({ name, source: flush, labels }).then(
        ({ ref }) => ref.id,
        (error: unknown) => Object(error).code,
      );
    const both = await Promise.all([capture(`${run}-1`), capture(`${run}-2`)]);
    const made: string[] = [];
    for await (const { ref, status } of provider.images.list({ labels })) {
      expect(status).toBe('READY');
      made.push(ref.id);
      onTestFinished(async () => provider.images.delete(ref.id));
    }
    // The cloud takes one image of a server at a time: the other call is told to come again.
    const outcome = both.map((one) => (made.includes(one) ? 'made' : one));
    expect(['made,made', 'made,UNAVAILABLE', 'UNAVAILABLE,made']).toContain(outcome.join());
    expect(made.length).toBe(1 + outcome.filter((one) => one === 'made').length);
    expect(await capture(base.name)).toBe('ALREADY_EXISTS');
  });
});
