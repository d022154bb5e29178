import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import type { CreateImageRequest } from '@imgkit/core';
import { describe, expect, it } from 'vitest';

import {
  collect,
  diskFile,
  freshProvider,
  makeImage,
  names,
  sameDisk,
  type LocalProvider,
} from '../test/local-provider.ts';
import { failure, refusal, run } from '../test/scratch.ts';

async function blobs({ context }: LocalProvider): Promise<string[]> {
  return readdir((await context.store()).layout.blobs);
}

describe('an image', () => {
  it('of a file has its content, and everything that was asked for', async () => {
    const provider = await freshProvider();
    const file = await diskFile();
    const operation = provider.images.create({
      name: 'web-1',
      source: { kind: 'file', file },
      family: 'web',
      version: '1.0',
      labels: { team: 'a' },
      description: 'the first',
      architecture: 'x86_64',
    });
    const messages = (await collect(operation)).map(({ message }) => message);
    const image = await operation;
    expect(messages).toContain('copying the disk');
    expect(image).toMatchObject({
      ref: { provider: 'qemu', id: 'projects/default/images/web-1' },
      name: 'web-1',
      project: 'default',
      family: 'web',
      version: '1.0',
      published: true,
      status: 'READY',
      deprecation: { state: 'ACTIVE' },
      diskSizeBytes: 2 ** 20,
      architecture: 'x86_64',
      labels: { team: 'a' },
      description: 'the first',
      origin: { kind: 'file', id: 'disk.raw' },
    });
    expect(await provider.images.get(image.ref.id)).toEqual(image);
    const store = await provider.context.store();
    expect(await sameDisk(file, store.blobs.path(image.digest?.slice(7) ?? ''))).toBe(true);
  });

  it('is made of a disk, a snapshot, an image and an instance, all with the same content', async () => {
    const provider = await freshProvider();
    const { images, disks, snapshots, machines } = provider;
    const first = await makeImage(provider, 'first');
    const disk = await disks.create({ name: 'disk', source: { kind: 'image', image: first.ref } });
    const snapshot = await snapshots.create({ name: 'snapshot', disk: disk.id });
    const store = await provider.context.store();
    const path = join(store.layout.instances, 'vm.qcow2');
    await store.overlays.create(path, first.digest?.slice(7) ?? '');
    const vm = { running: false, disks: [{ id: 'vm-disk', path, sizeBytes: 2 ** 20 }] };
    machines.all.set('vm', vm);
    const sources: CreateImageRequest['source'][] = [
      { kind: 'disk', disk: disk.id },
      { kind: 'snapshot', snapshot: snapshot.id },
      { kind: 'image', image: first.ref },
      { kind: 'instance', instance: 'vm' },
      { kind: 'disk', disk: 'vm-disk' },
    ];
    for (const [index, source] of sources.entries()) {
      const image = await images.create({ name: `copy-${index}`, source });
      expect(image).toMatchObject({ digest: first.digest, origin: { kind: source.kind } });
    }
    expect(await blobs(provider)).toHaveLength(1);
    expect(machines.held).toBe(0);
    const users = (await provider.usage.of(first.ref.id)).users.map(
      ({ kind, id }) => `${kind} ${id}`,
    );
    expect(users).toContain('disk projects/default/disks/disk');
    expect(users).toContain('image projects/default/images/copy-0');
    expect(users).toContain('image projects/default/images/copy-2');
  });

  it('of a running instance is refused, or stops it when that is asked for', async () => {
    const { images, machines } = await freshProvider();
    const path = join((await diskFile()).replace('disk.raw', 'vm.qcow2'));
    await run('qemu-img', 'create', '-q', '-f', 'qcow2', path, '1M');
    const vm = { running: true, disks: [{ id: 'vm-disk', path, sizeBytes: 2 ** 20 }] };
    machines.all.set('vm', vm);
    const source = { kind: 'instance', instance: 'vm' } as const;
    expect(await refusal(images.create({ name: 'a', source }))).toMatch(/^FAILED_PRECONDITION/);
    expect(await names(images.list())).toEqual([]);
    await images.create({ name: 'a', source: { ...source, whenRunning: 'flush' } });
    expect(vm.running).toBe(true);
    await images.create({ name: 'b', source: { ...source, whenRunning: 'stop' } });
    expect(vm.running).toBe(false);
  });

  it('that is OBSOLETE or DELETED is of no use to anybody, and names its replacement', async () => {
    const provider = await freshProvider();
    const old = await makeImage(provider, 'old');
    const next = await makeImage(provider, 'next');
    for (const state of ['OBSOLETE', 'DELETED'] as const) {
      await provider.deprecation.set(old.ref.id, { state, replacement: next.ref });
      const source = { kind: 'image', image: old.ref } as const;
      for (const call of [
        provider.images.create({ name: 'copy', source }),
        provider.disks.create({ name: 'disk', source }),
      ]) {
        const error = await failure(call);
        expect(error).toMatchObject({
          code: `IMAGE_${state}`,
          replacement: 'qemu:projects/default/images/next',
          provider: 'qemu',
        });
      }
    }
    await provider.deprecation.set(old.ref.id, { state: 'DEPRECATED' });
    await provider.images.create({ name: 'copy', source: { kind: 'image', image: old.ref } });
    const { deprecation } = await provider.images.get(old.ref.id);
    expect(deprecation).toEqual({ state: 'DEPRECATED' });
  });

  it.each([
    ['a bad name', { name: 'Web' }, /^INVALID_ARGUMENT.*name of a image/],
    ['a bad family', { family: '9' }, /^INVALID_ARGUMENT.*name of a family/],
    ['a bad label', { labels: { 'A B': 'x' } }, /^INVALID_ARGUMENT.*key of a label/],
    ['a bad value', { labels: { a: 'ü' } }, /^INVALID_ARGUMENT.*value of label/],
    ['a missing file', { source: { kind: 'file', file: '/no/such/file' } }, /^NOT_FOUND/],
    [
      'a missing disk',
      { source: { kind: 'disk', disk: 'projects/default/disks/x' } },
      /^NOT_FOUND/,
    ],
    ['a directory', { source: { kind: 'file', file: '/tmp' } }, /^INVALID_ARGUMENT.*directory/],
    ['a bad date', { deprecation: { state: 'ACTIVE', dates: { obsolete: 'soon' } } }, /^INVALID/],
    [
      'an image of another provider',
      { source: { kind: 'image', image: { provider: 'prod', id: 'x' } } },
      /^INVALID_ARGUMENT.*isn't an image of qemu/,
    ],
  ] satisfies [string, Partial<CreateImageRequest>, RegExp][])(
    'with %s is refused before anything is created',
    async (_name, wrong, message) => {
      const provider = await freshProvider();
      const source = { kind: 'file', file: await diskFile() } as const;
      const request: CreateImageRequest = { name: 'web-1', source, ...wrong };
      expect(await refusal(provider.images.create(request))).toMatch(message);
      expect(await names(provider.images.list())).toEqual([]);
      expect(await blobs(provider)).toEqual([]);
    },
  );

  it('can be given new labels and a new description, nothing else', async () => {
    const provider = await freshProvider();
    const { images } = provider;
    const image = await makeImage(provider, 'web-1', 'web');
    await images.update(image.ref.id, { labels: { a: '1', b: '2' }, description: 'one' });
    const changed = await images.update(image.ref.id, { labels: { a: null, c: '3' } });
    expect(changed).toEqual({ ...image, labels: { b: '2', c: '3' }, description: 'one' });
    expect(await refusal(images.update('projects/default/images/none', {}))).toMatch(/^NOT_FOUND/);
  });

  it('is deleted with its blob, once, unless another needs the blob', async () => {
    const provider = await freshProvider();
    const { images } = provider;
    const image = await makeImage(provider, 'web-1');
    await images.create({ name: 'web-2', source: { kind: 'image', image: image.ref } });
    await images.delete(image.ref.id);
    await images.delete(image.ref.id);
    expect(await blobs(provider)).toHaveLength(1);
    expect(await refusal(images.get(image.ref.id))).toMatch(/^NOT_FOUND/);
    await images.delete('projects/default/images/web-2');
    expect(await blobs(provider)).toEqual([]);
  });
});

describe('a listing of images', () => {
  it('is newest first, page by page, and filtered', async () => {
    const provider = await freshProvider();
    const { images, context } = provider;
    const first = await makeImage(provider, 'a-1', 'a');
    const source = { kind: 'image', image: first.ref } as const;
    for (const name of ['b-1', 'b-2', 'b-3'])
      await images.create({
        name,
        source,
        family: 'b',
        labels: { n: name },
        staged: name === 'b-2',
      });
    await provider.deprecation.set(first.ref.id, { state: 'DEPRECATED' });
    expect(await names(images.list({ pageSize: 1 }))).toEqual(['b-3', 'b-2', 'b-1', 'a-1']);
    expect(await names(images.list({ family: 'b', published: true, pageSize: 3 }))).toEqual([
      'b-3',
      'b-1',
    ]);
    expect(await names(images.list({ published: false }))).toEqual(['b-2', 'a-1']);
    expect(await names(images.list({ labels: { n: 'b-1' } }))).toEqual(['b-1']);
    expect(await names(images.list({ name: 'b-2' }))).toEqual(['b-2']);
    expect(await names(images.list({ states: ['DEPRECATED'] }))).toEqual(['a-1']);
    expect(await names(images.list({ status: ['FAILED'] }))).toEqual([]);
    expect(await refusal(collect(images.list({ pageSize: 0 })))).toMatch(/^INVALID_ARGUMENT/);
    for await (const { name } of images.list({ pageSize: 1 })) {
      expect(name).toBe('b-3');
      break;
    }
    await context.close();
    expect(await names(images.list({ family: 'a' }))).toEqual(['a-1']);
  });

  it('whose disk is missing is refused, before anything is made of it', async () => {
    const provider = await freshProvider();
    const image = await makeImage(provider, 'web-1');
    const store = await provider.context.store();
    for (const name of await blobs(provider)) await rm(join(store.layout.blobs, name));
    const error = await failure(
      provider.images.create({ name: 'web-2', source: { kind: 'image', image: image.ref } }),
    );
    expect(error).toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('verify'),
    });
    expect(await names(provider.images.list())).toEqual(['web-1']);
  });
});
