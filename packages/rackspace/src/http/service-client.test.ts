import { describe, expect, it } from 'vitest';
import { z } from 'zod';

import {
  fakeTransport,
  quickRetrier,
  settings,
  tokenAnswer,
  type Answer,
} from '../../test/fake-cloud.ts';
import type { ServiceSettings } from '../configuration/cloud-settings.ts';
import { Session } from '../identity/session.ts';
import { ServiceClient } from './service-client.ts';
import type { HttpRequest } from './transport.ts';

const root = { versions: [{ id: 'v2.15', status: 'CURRENT' }, { id: 'v2.9' }] };
const anything = z.unknown();

/** A client of a service that answers so; tokens are t1, t2 and so on. */
function client(
  answer: (request: HttpRequest, count: number) => Answer,
  { type = 'image', ...service }: ServiceSettings & { readonly type?: string } = {},
) {
  let tokens = 0;
  let calls = 0;
  const { send, requests } = fakeTransport((request) => {
    if (request.url.includes('/auth/tokens')) return tokenAnswer(`t${(tokens += 1)}`);
    if (request.url.endsWith('/')) return answer(request, 0);
    return answer(request, (calls += 1));
  });
  const retrier = quickRetrier();
  const session = new Session({ settings, retrier, send });
  const version = type === 'image' ? 'v2' : 'v2.1';
  const made = new ServiceClient({ session, retrier, type, version, settings: service });
  const sent = () => requests.filter(({ url }) => !/\/(?:tokens)?$/.test(url));
  return { client: made, sent, retrier };
}

const versionsThen =
  (answer: (count: number) => Answer) =>
  (_: HttpRequest, count: number): Answer =>
    count === 0 ? { status: 300, json: root } : answer(count);

describe('a service', () => {
  it('is called at the address of the catalogue, in a version, with a token', async () => {
    const { client: glance, sent } = client(versionsThen(() => ({ json: { id: 'i1' } })));
    const query = new URLSearchParams({ 'a b': 'c&d' });
    const found = await glance.json({ method: 'GET', path: '/images', query }, anything);
    expect(found).toEqual({ id: 'i1' });
    expect(sent()).toMatchObject([
      { url: 'https://glance.test/v2/images?a+b=c%26d', headers: { 'x-auth-token': 't1' } },
    ]);
  });

  it.each([
    ['https://other.test/v2/123456/', 'https://other.test/v2/123456/images'],
    ['https://other.test/image', 'https://other.test/image/v2/images'],
  ])('is called at %s when that is said', async (endpoint, url) => {
    const { client: glance, sent } = client(() => ({}), { endpoint });
    await glance.done({ method: 'GET', path: '/images' });
    expect(sent().at(-1)?.url).toBe(url);
  });

  it('tells its versions, and is no worse for not telling them', async () => {
    const { client: glance } = client(versionsThen(() => ({})));
    expect(await glance.speaks([2, 7])).toBe(true);
    expect(await glance.speaks([2, 16])).toBe(false);
    expect(await glance.speaks([3, 0])).toBe(false);
    const { client: silent } = client((_, count) => (count === 0 ? { status: 404 } : {}));
    expect(await silent.speaks([2, 7])).toBeUndefined();
    await silent.done({ method: 'GET', path: '/images' });
  });

  it('tells which microversions it understands', async () => {
    const json = {
      versions: [
        { id: 'v2.0', version: '', min_version: '' },
        { id: 'v2.1', version: '2.93', min_version: '2.1' },
      ],
    };
    const { client: nova } = client(() => ({ json }), { type: 'compute' });
    expect(await nova.understands([2, 93])).toBe(true);
    expect(await nova.understands([2, 94])).toBe(false);
    const { client: old } = client(() => ({ json: { versions: [{ id: 'v2.0' }] } }), {
      type: 'compute',
    });
    expect(await old.understands([2, 1])).toBe(false);
  });

  it('gets another token when it refuses one, and is asked again once', async () => {
    const { client: glance, sent } = client(
      versionsThen((count) => (count === 1 ? { status: 401 } : {})),
    );
    await glance.done({ method: 'POST', path: '/images', json: {} });
    expect(sent().map(({ headers }) => headers?.['x-auth-token'])).toEqual(['t1', 't2']);
    const { client: closed, sent: refused } = client(versionsThen(() => ({ status: 401 })));
    await expect(closed.done({ method: 'GET', path: '/images' })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    expect(refused()).toHaveLength(2);
  });

  it('is asked again after as long as it says, where that does no harm', async () => {
    const busy: Answer = { status: 413, headers: { 'retry-after': '7' } };
    const {
      client: glance,
      sent,
      retrier,
    } = client(versionsThen((count) => (count < 3 ? busy : {})));
    await glance.done({ method: 'GET', path: '/images' });
    expect(sent()).toHaveLength(3);
    expect(retrier.waits).toEqual([7000, 7000]);
  });

  it('is asked again for what it throttled, which it didn’t do, also where twice does harm', async () => {
    const busy: Answer = { status: 413, headers: { 'retry-after': '7' } };
    const {
      client: glance,
      sent,
      retrier,
    } = client(versionsThen((count) => (count < 3 ? busy : {})));
    await glance.done({ method: 'POST', path: '/tasks', json: {} });
    expect(sent()).toHaveLength(3);
    expect(retrier.waits).toEqual([7000, 7000]);
  });

  it('is asked once for what can’t be repeated', async () => {
    const answer = versionsThen(() => ({ status: 503 }));
    const { client: glance, sent } = client(answer);
    const call = glance.done({ method: 'POST', path: '/images', json: {} });
    await expect(call).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(sent()).toHaveLength(1);
    const { client: upload, sent: sentOnce } = client(versionsThen(() => ({ status: 401 })));
    const stream = { sizeBytes: 1, isRepeatable: false, open: () => new Blob(['x']).stream() };
    await expect(
      upload.done({ method: 'PUT', path: '/images/1/file', stream, safe: true }),
    ).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(sentOnce()).toHaveLength(1);
  });

  it('is refused to be understood when it says something else', async () => {
    const { client: glance } = client(versionsThen(() => ({ json: { images: 7 } })));
    const schema = z.object({ images: z.array(z.unknown()) });
    const call = glance.json({ method: 'GET', path: '/images' }, schema);
    await expect(call).rejects.toMatchObject({
      code: 'PROTOCOL',
      message: expect.stringContaining('GET /images'),
    });
  });
});
