import { systemClock } from '@imgkit/core';
import { describe, expect, it } from 'vitest';

import { connect } from '../client.ts';
import {
  fakeTransport,
  quickRetrier,
  settings,
  textOf,
  tokenAnswer,
} from '../../test/fake-cloud.ts';
import { CloudContext } from './context.ts';
import { changeImage } from './image-access.ts';

const project = 'a'.repeat(32);

/** A Glance with one image, which another writer may change between any two requests. */
function cloudWith(image: Record<string, unknown>, meddle: (patches: number) => void = () => {}) {
  let patches = 0;
  const { send, requests } = fakeTransport((request) => {
    if (request.url.endsWith('/auth/tokens')) return tokenAnswer('t1');
    if (request.method === 'GET' && request.url.endsWith('/')) return { status: 404 };
    if (request.method === 'GET') return { json: image };
    const operations: { op: string; path: string; value: unknown }[] = JSON.parse(textOf(request));
    for (const { op, path, value } of operations) {
      const name = path.slice(1).replaceAll('~1', '/').replaceAll('~0', '~');
      if (op === 'remove' && !(name in image)) return { status: 409 };
      if (op === 'remove') delete image[name];
      else image[name] = value;
    }
    patches += 1;
    meddle(patches);
    return { json: image };
  });
  const retrier = quickRetrier();
  const client = connect(settings, retrier, send);
  const clock = systemClock();
  const context = new CloudContext({ provider: 'lab', project, client, clock });
  return { context, patches: () => requests.filter(({ method }) => method === 'PATCH') };
}

const standard = {
  id: 'i1',
  status: 'active',
  owner: project,
  visibility: 'private',
  created_at: '2026-11-21T09:00:00Z',
};

describe('changing an image', () => {
  it('writes nothing but what differs', async () => {
    const image = { ...standard, 'a/b~c': 'old', same: 'same', foreign: 'theirs' };
    const { context, patches } = cloudWith(image);
    await changeImage(context, 'i1', () => ({ 'a/b~c': 'new', same: 'same', gone: undefined }));
    expect(patches().map((one) => JSON.parse(textOf(one)))).toEqual([
      [{ op: 'add', path: '/a~1b~0c', value: 'new' }],
    ]);
    expect(image).toMatchObject({ 'a/b~c': 'new', foreign: 'theirs' });
    await changeImage(context, 'i1', () => ({ same: 'same' }));
    expect(patches()).toHaveLength(1);
  });

  it('writes again what another writer took away', async () => {
    const image: Record<string, unknown> = { ...standard };
    const { context, patches } = cloudWith(image, (count) => {
      if (count < 3) delete image['x'];
    });
    const changed = await changeImage(context, 'i1', () => ({ x: '1' }));
    expect(changed['x']).toBe('1');
    expect(patches()).toHaveLength(3);
  });

  it('gives up against a writer that never stops', async () => {
    const image: Record<string, unknown> = { ...standard };
    const { context } = cloudWith(image, () => void delete image['x']);
    await expect(changeImage(context, 'i1', () => ({ x: '1' }))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
  });

  it('asks anew what is wanted when a property is gone that was to go', async () => {
    const image: Record<string, unknown> = { ...standard };
    const seen: unknown[] = [];
    const { context } = cloudWith(image);
    const known = { ...standard, x: '1' };
    await changeImage(
      context,
      'i1',
      (now) => {
        seen.push(now['x']);
        return { x: undefined };
      },
      { known },
    );
    expect(seen).toEqual(['1', undefined]);
  });

  it('is done by one at a time in a process', async () => {
    const image: Record<string, unknown> = { ...standard, count: '0' };
    const { context } = cloudWith(image);
    const add = () =>
      changeImage(context, 'i1', ({ count }) => ({ count: String(Number(count) + 1) }));
    const wanted = ['1', '2', '3'];
    const made = await Promise.all([add(), add(), add()].map(async (one) => (await one)['count']));
    expect(image['count']).toBe('3');
    expect(made).toHaveLength(wanted.length);
  });

  it('refuses an image of another project', async () => {
    const { context } = cloudWith({ ...standard, owner: 'b', visibility: 'public' });
    await expect(changeImage(context, 'i1', () => ({ x: '1' }))).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    });
  });
});
