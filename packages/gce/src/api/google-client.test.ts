import { createRetrier, ImgkitError, type Clock, type LogFields, type Logger } from '@imgkit/core';
import { afterEach, describe, expect, it } from 'vitest';

import { failure, operation, ScriptedServer, type Script } from '../../test/scripted-server.ts';
import { SkippingClock } from '../../test/skipping-clock.ts';
import { unthrottled, type MutationCall, type Page } from '../client.ts';
import { Credentials } from './credentials.ts';
import { GoogleClient } from './google-client.ts';
import { listenTo } from './sdk-calls.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

/** A client of a scripted server; what it logs is kept. */
async function start(script: Script, clock: Clock = new SkippingClock()) {
  const server = await ScriptedServer.start(script);
  const logged: (readonly [string, LogFields | undefined])[] = [];
  const log = (message: string, fields?: LogFields): void => void logged.push([message, fields]);
  const logger: Logger = { debug: log, info: log, warn: log, error: log };
  const client = new GoogleClient({
    credentials: new Credentials({
      credentials: { kind: 'none' },
      project: 'acme',
      universeDomain: undefined,
      tried: [],
      onHeaders: listenTo,
    }),
    endpoint: new URL(server.endpoint),
    universeDomain: undefined,
    retrier: createRetrier({ clock, policy: { initialMs: 1 } }),
    throttle: unthrottled,
    clock,
    logger,
  });
  open.push(client, server);
  return { client, server, logged };
}

const get = {
  service: 'images',
  method: 'get',
  request: { project: 'acme', image: 'web' },
} as const;
const list = { service: 'images', method: 'list', request: { project: 'acme' } } as const;
const insert: MutationCall = {
  service: 'images',
  method: 'insert',
  request: { project: 'acme', imageResource: { name: 'web', diskSizeGb: '10' } },
  target: 'projects/acme/global/images/web',
};

describe('reading', () => {
  it('gives what Google said, without what its client adds', async () => {
    const { client, server } = await start(() => ({
      body: { name: 'web', status: 'READY', diskSizeGb: '10', labels: { a: 'b' } },
    }));
    expect(await client.read(get)).toEqual({
      name: 'web',
      status: 'READY',
      diskSizeGb: '10',
      labels: { a: 'b' },
      guestOsFeatures: [],
      licenseCodes: [],
      licenses: [],
      storageLocations: [],
    });
    expect(server.requests[0]).toMatchObject({
      method: 'GET',
      path: '/compute/v1/projects/acme/global/images/web',
      headers: { 'x-goog-request-params': 'project=acme&image=web' },
    });
  });

  it('is stopped at once, also on its way', async () => {
    const { client, server } = await start(() => 'hang');
    await expect(client.read(get, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect(server.requests).toHaveLength(0);
    const stop = new AbortController();
    const reading = client.read(get, { signal: stop.signal });
    await server.seen(1);
    stop.abort();
    await expect(reading).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('is tried by the retrier alone, as often as that says', async () => {
    const { client, server } = await start(() => failure(503, 'backendError'));
    await expect(client.read(get)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(server.requests).toHaveLength(5);
  });

  it('isn’t tried again where there is no such method', async () => {
    const { client, server } = await start(() => failure(501, 'notImplemented'));
    await expect(client.read(get)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    expect(server.requests).toHaveLength(1);
    await expect(client.start(insert)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    expect(server.requests).toHaveLength(2);
  });

  it('heeds Retry-After', async () => {
    const clock = new SkippingClock();
    const { client } = await start(
      (_, count) =>
        count === 1 ? { status: 503, body: {}, headers: { 'retry-after': '77' } } : { body: {} },
      clock,
    );
    await client.read(get);
    expect(clock.skipped).toEqual([77_000]);
  });
});

const pages: Script = ({ query }) =>
  query.get('pageToken') === null
    ? { body: { items: [{ name: 'a' }], nextPageToken: 'next' } }
    : {
        body: { items: [{ name: 'b' }], warning: { code: 'UNREACHABLE', message: 'no answer' } },
      };

describe('a listing', () => {
  it('is read page by page, and keeps what Google warns of', async () => {
    const { client, server, logged } = await start(pages);
    const seen = [];
    for await (const { items, warnings } of client.pages(list)) {
      expect(server.requests).toHaveLength(seen.length + 1);
      seen.push([items.map(({ name }) => name), warnings]);
    }
    const warning = { code: 'UNREACHABLE', message: 'no answer', scope: undefined };
    expect(seen).toEqual([
      [['a'], []],
      [['b'], [warning]],
    ]);
    expect(logged).toEqual([
      [expect.stringContaining('no answer'), expect.objectContaining({ code: 'UNREACHABLE' })],
    ]);
  });

  it('over all zones gives what is in them, and says which could not be asked', async () => {
    const { client } = await start(() => ({
      body: {
        items: {
          'zones/us-central1-a': { disks: [{ name: 'a' }] },
          'zones/us-central1-b': { warning: { code: 'UNREACHABLE', message: 'down' } },
          'zones/us-central1-c': { warning: { code: 'NO_RESULTS_ON_PAGE', message: 'none' } },
        },
      },
    }));
    const call = {
      service: 'disks',
      method: 'aggregatedList',
      request: { project: 'acme' },
    } as const;
    const all: Page[] = [];
    for await (const page of client.pages(call)) all.push(page);
    expect(all.flatMap(({ items }) => items.map(({ name }) => name))).toEqual(['a']);
    expect(all.flatMap(({ warnings }) => warnings)).toEqual([
      { code: 'UNREACHABLE', message: 'down', scope: 'zones/us-central1-b' },
    ]);
  });
});

describe('a change', () => {
  it('is one request id for one key, target and method, and another for any other', async () => {
    const { client, server } = await start(() => operation());
    const calls: readonly MutationCall[] = [
      { ...insert, key: 'k' },
      { ...insert, key: 'k' },
      { ...insert, key: 'l' },
      { ...insert, key: 'k', target: 'other' },
      { ...insert, key: 'k', generation: 1 },
      { ...get, method: 'delete', target: insert.target, key: 'k' },
      insert,
      insert,
    ];
    for (const call of calls) await client.start(call);
    const [first, second, ...others] = server.requests.map(({ query }) => query.get('requestId'));
    expect(second).toBe(first);
    expect(new Set([first, ...others]).size).toBe(others.length + 1);
  });

  it('isn’t left while nobody knows whether it takes place', async () => {
    const stop = new AbortController();
    const { client, server } = await start((_, count) => {
      stop.abort();
      return count < 3 ? 'drop' : operation();
    });
    const started = await client.start(insert, { signal: stop.signal });
    expect(started).toMatchObject({ name: 'operation-7', done: true });
    expect(server.requests).toHaveLength(3);
  });

  it('is left when it was refused, and the caller has given up', async () => {
    const stop = new AbortController();
    const { client, server } = await start(() => {
      stop.abort();
      return failure(429, 'rateLimitExceeded');
    });
    await expect(client.start(insert, { signal: stop.signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect(server.requests).toHaveLength(1);
  });

  it('without a way to tell repetitions apart is made once', async () => {
    const { client, server } = await start(() => failure(503, 'backendError'));
    const policy = { ...get, method: 'setIamPolicy', repeatable: false };
    const call = { ...policy, request: { project: 'acme', resource: 'web' } };
    await expect(client.write(call)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(server.requests).toHaveLength(1);
  });
});

describe('an operation', () => {
  const name = { project: 'acme', scope: 'zones/us-central1-a', name: 'operation-7' };

  it('is waited for until it is done, where it runs', async () => {
    const { client, server } = await start((_, count) =>
      operation({ status: count < 3 ? 'RUNNING' : 'DONE', progress: count * 30 }),
    );
    const seen: number[] = [];
    const done = await client.wait(name, { onProgress: (percent) => seen.push(percent) });
    expect(done.done).toBe(true);
    expect(seen).toEqual([30, 60, 90]);
    expect(server.requests[0]?.path).toBe(
      '/compute/v1/projects/acme/zones/us-central1-a/operations/operation-7/wait',
    );
  });

  it('that failed throws what Google says, and tells its warnings', async () => {
    const { client, logged } = await start(() =>
      operation({
        httpErrorStatusCode: 403,
        error: { errors: [{ code: 'QUOTA_EXCEEDED', message: 'Quota IMAGES exceeded.' }] },
        warnings: [{ code: 'DEPRECATED_RESOURCE_USED', message: 'it is old' }],
      }),
    );
    await expect(client.wait(name)).rejects.toMatchObject({
      code: 'QUOTA_EXCEEDED',
      message: 'Quota IMAGES exceeded.',
      providerCode: 'QUOTA_EXCEEDED',
    });
    expect(logged).toEqual([[expect.stringContaining('it is old'), expect.anything()]]);
  });
});

describe('a client that could not be made', () => {
  it('is thrown away, so that the next call may succeed', async () => {
    const server = await ScriptedServer.start(() => ({ body: { name: 'web' } }));
    const clock = new SkippingClock();
    let works = false;
    const token = (): Promise<string> =>
      works ? Promise.resolve('secret-token') : Promise.reject(new Error('the vault is locked'));
    const client = new GoogleClient({
      credentials: new Credentials({
        credentials: { kind: 'token', token },
        project: 'acme',
        universeDomain: undefined,
        tried: [],
      }),
      endpoint: new URL(server.endpoint),
      universeDomain: undefined,
      retrier: createRetrier({ clock }),
      throttle: unthrottled,
      clock,
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    });
    open.push(client, server);
    const refused = await client.read(get).catch((error: unknown) => error);
    expect(ImgkitError.is(refused, 'UNAUTHENTICATED')).toBe(true);
    expect(String(refused)).toContain('the vault is locked');
    expect(server.requests).toHaveLength(0);
    works = true;
    await client.read(get);
    expect(server.requests[0]?.headers.authorization).toBe('Bearer secret-token');
  });
});
