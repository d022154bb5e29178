import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { rest, type Rest } from '../../test/rest.ts';
import { objectsOf, textOf } from '../control-plane/json.ts';
import { startGceEmulator, type GceEmulator } from '../gce-emulator.ts';

let emulator: GceEmulator;
let api: Rest;

beforeAll(async () => {
  emulator = await startGceEmulator();
  const project = emulator.project('imgkit-test');
  for (let index = 0; index < 502; index += 1) {
    const name = `i-${String(index).padStart(3, '0')}`;
    // Created in the other order than named, and all but two in the same second.
    const minute = index < 2 ? 10 - index : 1;
    const creationTimestamp = `2026-11-21T00:${String(minute).padStart(2, '0')}:00.000-08:00`;
    project.addImage({ name, fields: { creationTimestamp }, labels: { n: String(index % 3) } });
  }
  api = rest(emulator, 'imgkit-test');
});
afterAll(() => emulator.close());

const list = async (query: string) => {
  const { body, status, message } = await api.send('GET', `/global/images?${query}`);
  const names = objectsOf(body, 'items').map((item) => textOf(item, 'name'));
  return { status, message, names, next: textOf(body, 'nextPageToken') };
};

async function walk(query: string): Promise<(string | undefined)[]> {
  const names: (string | undefined)[] = [];
  for (let token: string | undefined = ''; token !== undefined;) {
    const page = await list(`${query}&pageToken=${encodeURIComponent(token)}`);
    names.push(...page.names);
    token = page.next;
  }
  return names;
}

describe('a listing', () => {
  it('gives 500 at a time, sorted by name', async () => {
    const first = await list('');
    expect(first.names).toHaveLength(500);
    const second = await list(`pageToken=${encodeURIComponent(first.next ?? '')}`);
    expect(second).toMatchObject({ names: ['i-500', 'i-501'], next: undefined });
  });

  it('gives each once, whatever the page and the order', async () => {
    const byName = await walk('maxResults=100');
    expect(byName).toEqual(byName.toSorted((a = '', b = '') => (a < b ? -1 : 1)));
    expect(new Set(byName).size).toBe(502);
    const newest = await walk('maxResults=100&orderBy=creationTimestamp%20desc');
    expect(newest.slice(0, 3)).toEqual(['i-000', 'i-001', 'i-501']);
    expect(new Set(newest).size).toBe(502);
    expect(newest).toHaveLength(502);
  });

  it('pages through what the filter leaves, and goes on after what was deleted', async () => {
    const first = await list('maxResults=2&filter=labels.n%3D1');
    expect(first.names).toEqual(['i-001', 'i-004']);
    await api.settle('DELETE', '/global/images/i-004');
    const token = encodeURIComponent(first.next ?? '');
    const second = await list(`maxResults=2&filter=labels.n%3D1&pageToken=${token}`);
    expect(second.names).toEqual(['i-007', 'i-010']);
  });

  it.each([
    ['maxResults=501', 'maxResults'],
    ['orderBy=size', 'orderBy'],
    ['pageToken=abc', 'pageToken'],
    ['filter=%28name', 'filter'],
    ['filter=name', 'filter'],
    ['filter=name%20eq%20%22(%22', 'filter'],
  ])('refuses %s', async (query, field) => {
    const answer = await list(query);
    expect(answer).toMatchObject({ status: 400, message: expect.stringContaining(`'${field}'`) });
  });

  it('tells its kind and address', async () => {
    const { body } = await api.send('GET', '/global/images?maxResults=1');
    expect(body).toMatchObject({
      kind: 'compute#imageList',
      id: 'projects/imgkit-test/global/images',
      selfLink: 'https://www.googleapis.com/compute/v1/projects/imgkit-test/global/images',
    });
  });
});
