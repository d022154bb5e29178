import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';

import { ImgkitError, type Image } from '@imgkit/core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';

import { isGlanceImage } from '../src/index.ts';
import {
  applicationCredential,
  ask,
  diskFile,
  kitOf,
  missing,
  providerOf,
  scratch,
} from './openstack.ts';

/** A kit of the producer and both consumers. */
async function world() {
  const kit = await kitOf(providerOf('images'), providerOf('consumer-a'), providerOf('consumer-b'));
  const provider = kit.providers.get('images');
  const { sharing } = provider;
  if (sharing === undefined) throw new Error('no sharing');
  const file = await diskFile(join(await scratch(), 'disk.raw'));
  const run = `t-${randomBytes(4).toString('hex')}`;
  const labels = { 'imgkit-run': run };
  const create = async (more: object = {}): Promise<Image> => {
    const name = `${run}-${randomBytes(3).toString('hex')}`;
    const image = await provider.images.create({
      name,
      source: { kind: 'file', file },
      labels,
      ...more,
    });
    onTestFinished(async () => provider.images.delete(image.ref.id));
    return image;
  };
  const consumers = [kit.providers.get('consumer-a'), kit.providers.get('consumer-b')] as const;
  return { kit, provider, sharing, consumers, create, labels, run, file };
}

/** Serves a file's bytes, and counts who asks. */
async function serve(bytes: Buffer): Promise<string> {
  const server = createServer((_, response) => response.end(bytes));
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/disk.raw`;
}

async function names(images: AsyncIterable<Image>): Promise<string[]> {
  const all: string[] = [];
  for await (const { name } of images) all.push(name);
  return all;
}

/** Makes images without data, beside the adapter. */
async function makeEmpty(run: string, count: number): Promise<string[]> {
  const make = async (index: number): Promise<string> => {
    const body = JSON.stringify({
      name: `${run}-${index}`,
      visibility: 'private',
      'imgkit:label:imgkit-run': run,
      ...(index % 5 === 0 && { os_hidden: true }),
    });
    const headers = { 'content-type': 'application/json' };
    const response = await ask('images', 'image', '/v2/images', { method: 'POST', body, headers });
    const { id } = z.object({ id: z.string() }).parse(await response.json());
    onTestFinished(async () => {
      await ask('images', 'image', `/v2/images/${id}`, { method: 'DELETE' });
    });
    return id;
  };
  return Promise.all(Array.from({ length: count }, (_, index) => make(index)));
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(200_000);
  await Promise.resolve();
  throw new Error('the disk is gone');
}

describe.skipIf(missing !== undefined)('images in a real Glance', () => {
  it('are listed page by page, hidden ones too, also while they are deleted', async () => {
    const { provider, labels, run } = await world();
    const made = await makeEmpty(run, 30);
    const whole = await names(provider.images.list({ labels }));
    expect(whole.toSorted()).toEqual(made.map((_, index) => `${run}-${index}`).toSorted());
    // 25 is what the cloud itself gives at once.
    for (const pageSize of [25, 7])
      expect((await names(provider.images.list({ labels, pageSize }))).toSorted()).toEqual(
        whole.toSorted(),
      );
    const seen: string[] = [];
    for await (const { name, ref } of provider.images.list({ labels, pageSize: 4 })) {
      seen.push(name);
      await provider.images.delete(ref.id);
    }
    expect(seen.toSorted()).toEqual(whole.toSorted());
  });

  it('are fetched by the cloud, or say why they could not be', async () => {
    const { provider, create, run, labels } = await world();
    const bytes = randomBytes(100_000);
    const file = await serve(bytes);
    const image = await create({ source: { kind: 'file', file } });
    expect(image).toMatchObject({ status: 'READY', diskSizeBytes: bytes.length });
    const sha512 = createHash('sha512').update(bytes).digest('hex');
    expect(isGlanceImage(image.native) && image.native.os_hash_value).toBe(sha512);

    const request = { name: `${run}-x`, labels, source: { kind: 'file' as const, file } };
    const gone = { kind: 'file' as const, file: 'http://127.0.0.1:9/disk.raw' };
    await expect(
      provider.images.create({ ...request, source: gone }).then(String),
    ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const diskFormat = { providerOptions: { diskFormat: 'raw' } };
    const failed = provider.images.create({ ...request, source: gone, ...diskFormat });
    await expect(failed.then(String)).rejects.toMatchObject({
      code: 'OPERATION_FAILED',
      provider: 'images',
    });
    expect(await names(provider.images.list({ labels, name: request.name }))).toEqual([]);
  });

  it('are whole or not there when an upload breaks off', async () => {
    const { provider, run, labels } = await world();
    const request = { name: `${run}-x`, labels, from: broken(), idempotencyKey: run };
    const cut = provider.transfer?.import(request);
    await expect(Promise.resolve(cut)).rejects.toMatchObject({ message: 'the disk is gone' });
    expect(await names(provider.images.list({ labels }))).toEqual([]);
    // The id that the key stood for is used up; the key isn't.
    const from = join(await scratch(), 'disk.raw');
    await writeFile(from, randomBytes(100_000));
    const image = await provider.transfer?.import({ ...request, from });
    onTestFinished(async () => provider.images.delete(image?.ref.id ?? ''));
    expect(image?.status).toBe('READY');
    const to = `${from}.copy`;
    await provider.transfer?.export({ image: image?.ref.id ?? '', to, format: 'raw' });
    expect((await readFile(to)).equals(await readFile(from))).toBe(true);
  });

  it('are shared with two projects, of which one rejects, until that is taken back', async () => {
    const { provider, sharing, consumers, create } = await world();
    const { ref } = await create();
    const [a, b] = consumers;
    const to = [a, b].map(({ project }) => ({ kind: 'project' as const, id: project }));
    // Not a member: there is no such image.
    await expect(a.images.get(ref.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(a.sharing?.accept?.(ref.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await sharing.grant(ref.id, to);
    const states = async () => {
      const found: [string, string][] = [];
      for await (const { principal, state } of sharing.list(ref.id))
        if (principal.kind === 'project') found.push([principal.id, state]);
      return Object.fromEntries(found);
    };
    expect(await states()).toEqual({ [a.project]: 'PENDING', [b.project]: 'PENDING' });
    await expect(a.images.get(ref.id)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: expect.stringContaining('Accept it first'),
    });
    await a.sharing?.accept?.(ref.id);
    await b.sharing?.reject?.(ref.id);
    expect(await states()).toEqual({ [a.project]: 'ACTIVE', [b.project]: 'REJECTED' });
    expect((await a.images.get(ref.id)).project).toBe(provider.project);
    await expect(b.images.get(ref.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(provider.sharing?.accept?.(ref.id)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    await sharing.revoke(ref.id, to);
    await expect(a.images.get(ref.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(a.sharing?.accept?.(ref.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('are shared with no project that there isn’t, as far as Keystone tells who asks', async () => {
    const { sharing, consumers, create, file } = await world();
    const nobody = { kind: 'project', id: randomBytes(16).toString('hex') } as const;
    const a = { kind: 'project', id: consumers[0].project } as const;
    // It tells an administrator, of whose grant nothing is done then.
    const kit = await kitOf(providerOf('admin'));
    const admin = kit.providers.require('admin', 'sharing');
    const name = `t-${randomBytes(4).toString('hex')}`;
    const made = await admin.images.create({ name, source: { kind: 'file', file } });
    onTestFinished(async () => admin.images.delete(made.ref.id));
    const { id } = made.ref;
    await expect(admin.sharing.grant(id, [a, nobody, nobody])).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: `there is no project "${nobody.id}"`,
      hint: expect.stringContaining('openstack project show'),
    });
    expect((await admin.images.get(id)).native).toMatchObject({ visibility: 'private' });
    await admin.sharing.grant(id, [a]);
    const grants = async (all: typeof sharing, image: string) => {
      const found: unknown[] = [];
      for await (const { principal, state } of all.list(image)) found.push({ principal, state });
      return found;
    };
    expect(await grants(admin.sharing, id)).toEqual([{ principal: a, state: 'PENDING' }]);
    // It doesn't tell a member of another project, of whom the form of the id is all that is asked.
    const { ref } = await create();
    await sharing.grant(ref.id, [nobody]);
    expect(await grants(sharing, ref.id)).toEqual([{ principal: nobody, state: 'PENDING' }]);
  });

  it('are shared with everyone by their id, and with all as the policy allows', async () => {
    const { sharing, consumers, create } = await world();
    const { ref } = await create();
    await sharing.grant(ref.id, [{ kind: 'everyone' }]);
    expect((await consumers[0].images.get(ref.id)).ref.id).toBe(ref.id);
    await sharing.revoke(ref.id, [{ kind: 'everyone' }]);
    await expect(consumers[0].images.get(ref.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const kit = await kitOf(providerOf('images', { everyone: 'public' }));
    const open = kit.providers.get('images').sharing?.grant(ref.id, [{ kind: 'everyone' }]);
    await expect(open).rejects.toMatchObject({ code: 'PERMISSION_DENIED', provider: 'images' });
  });

  it('stay when somebody protected them', async () => {
    const { provider, create } = await world();
    const { ref } = await create();
    const headers = { 'content-type': 'application/openstack-images-v2.1-json-patch' };
    const protect = async (value: boolean) => {
      const body = JSON.stringify([{ op: 'replace', path: '/protected', value }]);
      await ask('images', 'image', `/v2/images/${ref.id}`, { method: 'PATCH', headers, body });
    };
    await protect(true);
    await expect(provider.images.delete(ref.id).then(String)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    await protect(false);
  });
});

describe.skipIf(missing !== undefined)('a user of a real Keystone', () => {
  it('is refused with a wrong password, and in a project without a role', async () => {
    const wrong = kitOf(providerOf('images', { password: 'wrong' }));
    const error: unknown = await wrong.catch((one: unknown) => one);
    expect(error).toMatchObject({ code: 'UNAUTHENTICATED', provider: 'images' });
    const outsider = kitOf(providerOf('images', { username: 'outsider' }));
    await expect(outsider).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(ImgkitError.is(error) && error.message).not.toContain('wrong');
  });

  it('may be an application credential', async () => {
    const { provider, file, run } = await world();
    const { id, secret, remove } = await applicationCredential(run);
    onTestFinished(remove);
    const kit = await kitOf(
      providerOf('images', {
        username: undefined,
        password: undefined,
        projectName: undefined,
        applicationCredentialId: id,
        applicationCredentialSecret: secret,
      }),
    );
    const other = kit.providers.get('images');
    expect(other.project).toBe(provider.project);
    const source = { kind: 'file', file } as const;
    const { ref } = await other.images.create({ name: run, source });
    await provider.images.delete(ref.id);
  });
});
