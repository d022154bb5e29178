import { randomUUID } from 'node:crypto';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { rest, type Rest } from '../../test/rest.ts';
import { createVirtualClock } from '../control-plane/clock.ts';
import { startGceEmulator, type GceEmulator } from '../gce-emulator.ts';

const project = 'imgkit-test';
const source = { sourceImage: 'global/images/base' };

let emulator: GceEmulator;
let api: Rest;

beforeEach(async () => {
  emulator = await startGceEmulator();
  emulator.project(project).addImage({ name: 'base' });
  api = rest(emulator, project);
});
afterEach(() => emulator.close());

describe('a request', () => {
  it('that the API does not have is answered 404, and noted', async () => {
    expect(await api.send('GET', '/global/picture')).toMatchObject({ status: 404 });
    expect(await api.send('PUT', '/global/images')).toMatchObject({
      status: 404,
      message: expect.stringMatching(/takes (GET, POST|POST, GET), not PUT/),
    });
    expect(emulator.violations.map(({ message }) => message)).toEqual([
      expect.stringContaining('no method for GET'),
      expect.stringContaining('not PUT'),
    ]);
  });

  it('that is not emulated is answered 501 with its name', async () => {
    expect(await api.send('GET', '/global/firewalls')).toMatchObject({
      status: 501,
      message: expect.stringContaining('Firewalls.List'),
    });
    expect(emulator.violations).toHaveLength(1);
  });

  it('that breaks the description has no effect', async () => {
    const answer = await api.send('POST', '/global/images', { name: 'a', size: '1', ...source });
    expect(answer).toMatchObject({ status: 400, reason: 'invalid' });
    expect(answer.message).toContain('resource.size');
    expect(emulator.violations).toMatchObject([
      {
        message: expect.stringContaining('Images.Insert: resource.size'),
        request: { status: 400 },
      },
    ]);
    expect(await api.send('GET', '/global/images/a')).toMatchObject({ status: 404 });
  });

  it('that is no JSON is refused', async () => {
    const url = `${emulator.endpoint}/compute/v1/projects/${project}/global/images`;
    const answer = await fetch(url, { method: 'POST', body: '{' });
    expect(answer.status).toBe(400);
    expect(emulator.violations).toHaveLength(1);
  });

  it('is written down', async () => {
    await api.send('POST', '/global/images?requestId=', { name: 'a', ...source });
    expect(emulator.requests).toMatchObject([
      {
        method: 'POST',
        path: `/compute/v1/projects/${project}/global/images`,
        query: { requestId: '' },
        body: { name: 'a' },
        rpc: 'Images.Insert',
        status: 200,
        member: undefined,
      },
    ]);
  });

  it('in an unknown project or place is refused', async () => {
    const other = rest(emulator, 'nobody');
    expect(await other.send('GET', '/global/images')).toMatchObject({
      status: 404,
      message: "The resource 'projects/nobody' was not found",
    });
    expect(await api.send('GET', '/zones/moon-a/operations')).toMatchObject({
      status: 400,
      message: expect.stringContaining('Unknown zone'),
    });
    expect(await api.send('GET', '/zones/moon-a')).toMatchObject({ status: 404 });
    expect(await api.send('GET', '/regions/moon')).toMatchObject({ status: 404 });
  });

  it('with a foreign token is nobody', async () => {
    const url = `${emulator.endpoint}/compute/v1/projects/${project}/global/images`;
    const answer = await fetch(url, { headers: { authorization: 'Bearer ya29.fake' } });
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({ error: { errors: [{ reason: 'authError' }] } });
  });
});

const insert = (name: string, requestId = '') =>
  api.send('POST', `/global/images?requestId=${requestId}`, { name, ...source });
const list = () => api.send('GET', '/global/images');

describe('a requestId', () => {
  it('gives the same operation again', async () => {
    const id = randomUUID();
    const first = await insert('a', id);
    const second = await insert('a', id.toUpperCase());
    expect(second).toMatchObject({ status: 200, body: { name: first.body['name'] } });
    expect(await insert('a', randomUUID())).toMatchObject({ status: 409, reason: 'alreadyExists' });
  });

  it('is forgotten after an hour', async () => {
    const clock = createVirtualClock();
    await using slow = await startGceEmulator({ clock });
    slow.project(project).addImage({ name: 'base' });
    const late = rest(slow, project);
    const path = `/global/images?requestId=${randomUUID()}`;
    const body = { name: 'a', ...source };
    await late.send('POST', path, body);
    await clock.advance(60 * 60_000);
    expect(await late.send('POST', path, body)).toMatchObject({ status: 200 });
    await clock.advance(1);
    expect(await late.send('POST', path, body)).toMatchObject({ status: 409 });
  });

  it('is not kept for a request that was refused', async () => {
    const id = randomUUID();
    expect(await insert('Bad', id)).toMatchObject({ status: 400 });
    expect(await insert('good', id)).toMatchObject({ status: 200 });
  });

  it.each(['00000000-0000-0000-0000-000000000000', 'web-1'])('%s is refused', async (id) => {
    expect(await insert('a', id)).toMatchObject({ status: 400, reason: 'invalid' });
    expect(emulator.violations).toHaveLength(1);
  });

  it('belongs to one request only', async () => {
    const id = randomUUID();
    await insert('a', id);
    const other = await api.send('DELETE', `/global/images/base?requestId=${id}`);
    expect(other).toMatchObject({ status: 400 });
    expect(emulator.violations[0]?.message).toContain('Images.Insert');
  });
});

describe('a fault', () => {
  it('strikes as often, and as late, as it was told', async () => {
    const added = emulator.faults.add({
      rpc: 'Images.List',
      after: 1,
      times: 2,
      kind: 'status',
      status: 503,
      retryAfterSeconds: 7,
    });
    const answers = [await list(), await list(), await list(), await list()];
    expect(answers.map(({ status }) => status)).toEqual([200, 503, 503, 200]);
    expect(answers[1]?.headers.get('retry-after')).toBe('7');
    expect(added.struck).toBe(2);
  });

  it('strikes only what it is meant for, until it is taken back', async () => {
    const all = { times: Infinity, kind: 'status', status: 403 } as const;
    const added = emulator.faults.add({
      ...all,
      method: 'post',
      path: /\/images$/,
      reason: 'rateLimitExceeded',
    });
    expect(await list()).toMatchObject({ status: 200 });
    expect(await insert('a')).toMatchObject({ status: 403, reason: 'rateLimitExceeded' });
    added.remove();
    expect(await insert('a')).toMatchObject({ status: 200 });
    emulator.faults.add(all);
    emulator.faults.clear();
    expect(await list()).toMatchObject({ status: 200 });
  });

  it('drops the connection before the effect, or after it', async () => {
    emulator.faults.add({ rpc: 'Images.Insert', kind: 'drop', when: 'before' });
    await expect(insert('a')).rejects.toThrow('fetch failed');
    expect(await api.send('GET', '/global/images/a')).toMatchObject({ status: 404 });
    emulator.faults.add({ rpc: 'Images.Insert', kind: 'drop', when: 'after' });
    await expect(insert('a')).rejects.toThrow('fetch failed');
    expect(await api.send('GET', '/global/images/a')).toMatchObject({ status: 200 });
  });

  it('answers with an error, but after the effect', async () => {
    emulator.faults.add({ rpc: 'Images.Insert', kind: 'status', status: 502, when: 'after' });
    expect(await insert('a')).toMatchObject({ status: 502 });
    expect(await api.send('GET', '/global/images/a')).toMatchObject({ status: 200 });
  });

  it('lets an answer wait until the caller has had enough', async () => {
    emulator.faults.add({ rpc: 'Images.Insert', kind: 'delay', ms: 60_000 });
    const url = `${emulator.endpoint}/compute/v1/projects/${project}/global/images`;
    const body = JSON.stringify({ name: 'a', ...source });
    const signal = AbortSignal.timeout(50);
    await expect(fetch(url, { method: 'POST', body, signal })).rejects.toThrow('timeout');
    expect(await api.send('GET', '/global/images/a')).toMatchObject({ status: 404 });
  });

  it('fails the operation that a request starts', async () => {
    emulator.faults.add({
      rpc: 'Images.Insert',
      kind: 'operation-error',
      code: 'QUOTA_EXCEEDED',
      message: 'no more',
      status: 403,
    });
    const operation = await api.settle('POST', '/global/images', { name: 'a', ...source });
    expect(operation).toMatchObject({
      status: 'DONE',
      progress: 100,
      error: { errors: [{ code: 'QUOTA_EXCEEDED', message: 'no more' }] },
      httpErrorStatusCode: 403,
      httpErrorMessage: 'FORBIDDEN',
    });
    const image = await api.send('GET', '/global/images/a');
    expect(image.body).toMatchObject({ status: 'FAILED' });
  });

  it('puts a warning into a listing', async () => {
    emulator.faults.add({
      kind: 'list-warning',
      code: 'UNREACHABLE',
      message: 'some are missing',
      data: { scope: 'zones/x' },
    });
    expect((await list()).body['warning']).toEqual({
      code: 'UNREACHABLE',
      message: 'some are missing',
      data: [{ key: 'scope', value: 'zones/x' }],
    });
    expect((await list()).body['warning']).toBeUndefined();
  });
});
