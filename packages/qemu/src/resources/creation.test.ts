import { readdir } from 'node:fs/promises';

import { currentProcess } from '@imgkit/core/local';

import { describe, expect, it } from 'vitest';

import {
  collect,
  diskFile,
  freshProvider,
  localProvider,
  names,
  type LocalProvider,
} from '../../test/local-provider.ts';
import { failure, refusal } from '../../test/scratch.ts';
import { stageRandom } from '../../test/store-fixture.ts';
import { create, recordsOf } from './creation.ts';
import { draftImage } from './image-creation.ts';
import { imageKind } from './kinds.ts';

const dead = `${currentProcess().replace(/^\d+-\d+/, '999999999-1')}~x`;

/** A second process of the same store and project. */
function other({ context }: LocalProvider): LocalProvider {
  const { root, provider, project } = context;
  return localProvider({ root, provider, project });
}

/** Makes an image look as if the process that makes it has died. */
async function abandon({ context }: LocalProvider, name: string): Promise<void> {
  const store = await context.store();
  const records = recordsOf(store, imageKind);
  const record = records.find(context.project, name);
  if (record !== undefined) records.update(record.seq, { owner: dead });
}

/** A stream that goes on when it is told to. */
function gated() {
  const gate = Promise.withResolvers<void>();
  async function* stream() {
    yield new Uint8Array(2 ** 20).fill(1);
    await gate.promise;
  }
  return { stream: stream(), open: gate.resolve };
}

async function leftovers({ context }: LocalProvider): Promise<string[]> {
  const { layout } = await context.store();
  return [...(await readdir(layout.tmp)), ...(await readdir(layout.blobs))];
}

describe('creating', () => {
  it('with the same key gives one image, one after the other or at once, of one process or two', async () => {
    const one = await freshProvider();
    const two = other(one);
    const source = { kind: 'file', file: await diskFile() } as const;
    const request = { name: 'web-1', source, idempotencyKey: 'k' };
    const images = await Promise.all([
      one.images.create(request),
      two.images.create(request),
      one.images.create(request),
    ]);
    images.push(await two.images.create({ ...request, name: 'another-name' }));
    for (const image of images) expect(image).toEqual(images[0]);
    expect(await names(one.images.list())).toEqual(['web-1']);
  });

  it('what another key, or none, has made under the name is refused', async () => {
    const { images } = await freshProvider();
    const source = { kind: 'file', file: await diskFile() } as const;
    await images.create({ name: 'web-1', source, idempotencyKey: 'k' });
    expect(await refusal(images.create({ name: 'web-1', source }))).toMatch(/^ALREADY_EXISTS/);
    const another = images.create({ name: 'web-1', source, idempotencyKey: 'l' });
    expect(await failure(another)).toMatchObject({ code: 'ALREADY_EXISTS', provider: 'qemu' });
  });

  it('can be followed by its token from another process, and afterwards', async () => {
    const one = await freshProvider();
    const two = other(one);
    const { stream, open } = gated();
    const operation = one.transfer.import({ name: 'web-1', from: stream });
    const token = await operation.token();
    expect((await two.images.get('projects/default/images/web-1')).status).toBe('PENDING');
    const source = {
      kind: 'image',
      image: { provider: 'qemu', id: 'projects/default/images/web-1' },
    } as const;
    expect(await refusal(two.images.create({ name: 'b', source }))).toMatch(/^FAILED_PRECONDITION/);
    open();
    const image = await operation;
    expect(await two.context.resume(token)).toEqual(image);
    await two.images.delete(image.ref.id);
    expect(await refusal(two.context.resume(token))).toMatch(/^NOT_FOUND/);
    expect(await refusal(two.context.resume('nonsense'))).toMatch(/^INVALID_ARGUMENT/);
    const stranger = localProvider({ root: one.context.root, provider: 'qemu', project: 'other' });
    expect(await refusal(stranger.context.resume(token))).toMatch(/^NOT_FOUND/);
  });

  it('goes on where a process died: by the same key, and by its token', async () => {
    const provider = await freshProvider();
    const { images, context } = provider;
    const file = await diskFile();
    const request = { name: 'web-1', source: { kind: 'file', file }, idempotencyKey: 'k' } as const;
    for (const again of [() => images.create(request), (token: string) => context.resume(token)]) {
      const controller = new AbortController();
      const operation = images.create(request, { signal: controller.signal });
      const token = await operation.token();
      await abandon(provider, 'web-1');
      controller.abort();
      // The abandoned row isn't the first call's any more: it leaves it alone.
      expect((await failure(operation)).code).toBe('CANCELLED');
      expect((await images.get('projects/default/images/web-1')).status).toBe('FAILED');
      const image = await again(token);
      expect(image).toMatchObject({ name: 'web-1', status: 'READY' });
      expect(await names(images.list())).toEqual(['web-1']);
      await images.delete('projects/default/images/web-1');
    }
  });

  it('takes the name of what a dead process left unfinished', async () => {
    const provider = await freshProvider();
    const { images } = provider;
    const source = { kind: 'file', file: await diskFile() } as const;
    const controller = new AbortController();
    const { signal } = controller;
    const lost = images.create({ name: 'web-1', source, idempotencyKey: 'lost' }, { signal });
    await lost.token();
    await abandon(provider, 'web-1');
    controller.abort();
    await failure(lost);
    const image = await images.create({ name: 'web-1', source, idempotencyKey: 'new' });
    expect(image.status).toBe('READY');
    expect(await names(images.list())).toEqual(['web-1']);
  });

  it('that is aborted leaves nothing; one that was only waited for goes on', async () => {
    const one = await freshProvider();
    const { stream, open } = gated();
    const controller = new AbortController();
    const request = { name: 'web-1', from: stream, idempotencyKey: 'k' };
    const making = one.transfer.import(request);
    const token = await making.token();
    const { signal } = controller;
    const waiting = other(one).transfer.import({ ...request, from: '/unused' }, { signal });
    expect(await waiting.token()).toBe(token);
    controller.abort();
    expect(await failure(waiting)).toMatchObject({ code: 'PENDING', token });
    open();
    expect((await making).status).toBe('READY');

    const second = new AbortController();
    const source = { kind: 'file', file: await diskFile() } as const;
    const before = await leftovers(one);
    const aborted = one.images.create({ name: 'web-2', source }, { signal: second.signal });
    await aborted.token();
    second.abort();
    expect((await failure(aborted)).code).toBe('CANCELLED');
    expect(await names(one.images.list())).toEqual(['web-1']);
    expect(await leftovers(one)).toEqual(before);
    const early = one.images.create({ name: 'web-3', source }, { signal: AbortSignal.abort() });
    expect((await failure(early)).code).toBe('CANCELLED');
  });

  it('something that is deleted meanwhile fails, and leaves nothing', async () => {
    const provider = await freshProvider();
    const { stream, open } = gated();
    const operation = provider.transfer.import({ name: 'web-1', from: stream });
    await operation.token();
    await provider.images.delete('projects/default/images/web-1');
    open();
    expect(await refusal(operation)).toMatch(/^OPERATION_FAILED.*deleted meanwhile/);
    expect(await collect(provider.images.list())).toEqual([]);
    await (await provider.context.store()).gc();
    expect(await leftovers(provider)).toEqual([]);
  });
});

it('creating drops its disks when it is aborted between making and registering them', async () => {
  const provider = await freshProvider();
  const { context } = provider;
  const controller = new AbortController();
  const operation = create(
    context,
    {
      operation: 'images.create',
      kind: imageKind,
      request: { name: 'web-1' },
      prepare: () => ({ origin: undefined }),
      draft: (source) => draftImage(context, { name: 'web-1' }, source),
      make: async (store, _source, { doc }) => {
        const staged = await stageRandom(store);
        controller.abort();
        return { doc, staged: [staged], digests: [staged.digest] };
      },
    },
    { signal: controller.signal },
  );
  expect((await failure(operation)).code).toBe('CANCELLED');
  expect(await leftovers(provider)).toEqual([]);
  expect(await names(provider.images.list())).toEqual([]);
});
