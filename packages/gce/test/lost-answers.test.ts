import { ImgkitError, type CreateImageRequest, type Image } from '@imgkit/core';
import type { Fault } from '@imgkit/emulators';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';

import { emulatedCloud } from './emulated-cloud.ts';
import { SkippingClock } from './skipping-clock.ts';

const time = { aheadMs: 0 };
const kitClock = new SkippingClock();
const cloud = await emulatedCloud({
  kitClock,
  clock: {
    now: () => Date.now() + time.aheadMs,
    after(ms, callback) {
      const timer = setTimeout(() => void callback(), ms).unref();
      return () => clearTimeout(timer);
    },
  },
});
const { emulator, provider, other, base } = cloud;
const { deprecation, publishing, sharing } = provider;
if (!deprecation || !publishing || !sharing) throw new Error('the provider lacks a part');

afterEach(() => {
  emulator.faults.clear();
  time.aheadMs = 0;
});
afterAll(async () => {
  await cloud[Symbol.asyncDispose]();
});

let count = 0;
function request(wishes: Partial<CreateImageRequest> = {}): CreateImageRequest {
  count += 1;
  const name = `image-${count}`;
  return {
    name,
    source: { kind: 'image', image: base },
    idempotencyKey: `key-${count}`,
    ...wishes,
  };
}

/** The request ids of all requests of a method since a moment. */
function idsSince(start: number, rpc: string): readonly (string | undefined)[] {
  return emulator.requests
    .slice(start)
    .filter((one) => one.rpc === rpc)
    .map(({ query }) => query['requestId']);
}

async function namesOf(name: string): Promise<readonly string[]> {
  const images: Image[] = [];
  for await (const image of provider.images.list({ name })) images.push(image);
  return images.map(({ status }) => status);
}

/** Calls with a fault on the way, and gives the ids of the requests that were made for it. */
async function withFault<T>(fault: Fault & { readonly rpc: string }, call: () => PromiseLike<T>) {
  const start = emulator.requests.length;
  emulator.faults.add(fault);
  const result = await call();
  return { result, ids: idsSince(start, fault.rpc) };
}

const lost = { kind: 'drop', when: 'after' } as const;

describe('an answer that is lost', () => {
  it.for([
    ['before the effect', { kind: 'drop', when: 'before' }],
    ['after the effect', lost],
    ['and replaced by 503', { kind: 'status', status: 503, when: 'after' }],
    ['and replaced by 500', { kind: 'status', status: 500, when: 'after' }],
  ] as const)('%s makes one image, under one request id', async ([, fault]) => {
    const wanted = request();
    const { result, ids } = await withFault({ rpc: 'Images.Insert', times: 2, ...fault }, () =>
      provider.images.create(wanted),
    );
    expect(result.status).toBe('READY');
    expect(ids).toHaveLength(3);
    expect(new Set(ids).size, 'one request id').toBe(1);
    expect(ids[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(await namesOf(wanted.name)).toEqual(['READY']);
  });

  it('makes one image without an idempotency key too', async () => {
    const wanted = request({ idempotencyKey: undefined });
    const { ids } = await withFault({ rpc: 'Images.Insert', ...lost }, () =>
      provider.images.create(wanted),
    );
    expect(new Set(ids).size).toBe(1);
    expect(await namesOf(wanted.name)).toEqual(['READY']);
  });

  it('of a deletion, a deprecation or a publication changes nothing in what comes out', async () => {
    const { ref } = await provider.images.create(request({ family: 'web', staged: true }));
    const published = await withFault({ rpc: 'Images.Patch', ...lost }, () =>
      publishing.publish(ref.id, { family: 'web' }),
    );
    expect(published.result).toMatchObject({ published: true, family: 'web' });
    expect(new Set(published.ids).size).toBe(1);
    const deprecated = await withFault({ rpc: 'Images.Deprecate', ...lost }, () =>
      deprecation.set(ref.id, { state: 'OBSOLETE' }),
    );
    expect(deprecated.result.deprecation.state).toBe('OBSOLETE');
    expect(new Set(deprecated.ids).size).toBe(1);
    const deleted = await withFault({ rpc: 'Images.Delete', ...lost }, () =>
      provider.images.delete(ref.id),
    );
    expect(new Set(deleted.ids).size).toBe(1);
    await expect(provider.images.get(ref.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('of labels and policies is made good by their fingerprints', async () => {
    const { ref } = await provider.images.create(request());
    const labelled = await withFault({ rpc: 'Images.SetLabels', ...lost }, () =>
      provider.images.update(ref.id, { labels: { color: 'red' } }),
    );
    expect(labelled.result.labels).toEqual({ color: 'red' });
    await withFault({ rpc: 'Images.SetIamPolicy', ...lost }, () =>
      sharing.grant(ref.id, [{ kind: 'user', id: 'ann@acme.com' }]),
    );
    const grants = [];
    for await (const { principal } of sharing.list(ref.id)) grants.push(principal);
    expect(grants).toEqual([{ kind: 'user', id: 'ann@acme.com' }]);
  });
});

describe('a refusal', () => {
  it.for([
    [429, undefined],
    [403, 'rateLimitExceeded'],
    [400, 'resourceNotReady'],
    [503, 'backendError'],
  ] as const)('with %s %s is asked for again', async ([status, reason]) => {
    const fault = { rpc: 'Images.Insert', kind: 'status', status, reason } as const;
    const { result, ids } = await withFault(fault, () => provider.images.create(request()));
    expect(result.status).toBe('READY');
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(1);
  });

  it.for([
    [403, 'quotaExceeded', 'QUOTA_EXCEEDED'],
    [403, 'forbidden', 'PERMISSION_DENIED'],
    [400, 'invalid', 'INVALID_ARGUMENT'],
    [404, 'notFound', 'NOT_FOUND'],
    [401, 'authError', 'UNAUTHENTICATED'],
  ] as const)('with %s %s is final', async ([status, reason, code]) => {
    const start = emulator.requests.length;
    emulator.faults.add({ rpc: 'Images.Insert', kind: 'status', status, reason, times: Infinity });
    const wanted = request();
    const refused = provider.images.create(wanted);
    await expect(refused).rejects.toMatchObject({ code, providerCode: reason, provider: 'gce' });
    expect(idsSince(start, 'Images.Insert')).toHaveLength(1);
  });

  it('that says when to come back is heeded', async () => {
    const fault = { rpc: 'Images.Insert', kind: 'status', status: 429 } as const;
    const { result } = await withFault({ ...fault, retryAfterSeconds: 3_600 }, () =>
      provider.images.create(request()),
    );
    expect(result.status).toBe('READY');
    expect(kitClock.skipped.some((ms) => ms >= 3_590_000)).toBe(true);
  });
});

/** Makes an image in a process of its own, and kills that once something is seen. */
async function killOnce(name: string, seen: () => boolean): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-gce-child-'));
  const script = fileURLToPath(new URL('image-maker.ts', import.meta.url));
  const args = [emulator.endpoint, provider.project, directory, name, base.id];
  const child = spawn(process.execPath, ['--conditions=@imgkit/source', script, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  try {
    while (!seen() && child.exitCode === null) await delay(20);
  } finally {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    await rm(directory, { recursive: true, force: true });
  }
  expect(child.signalCode).toBe('SIGKILL');
}

describe('the same key', () => {
  it.for(['before', 'after'] as const)(
    'makes one image when its first maker is killed %s the effect, and before the answer',
    { timeout: 120_000 },
    async (when) => {
      const name = `survivor-${when}`;
      const start = emulator.requests.length;
      emulator.faults.add({ rpc: 'Images.Insert', kind: 'drop', when, times: Infinity });
      await killOnce(name, () => idsSince(start, 'Images.Insert').length > 0);
      expect(await namesOf(name)).toHaveLength(when === 'after' ? 1 : 0);
      emulator.faults.clear();

      const made = await other.images.create({
        name,
        source: { kind: 'image', image: base },
        family: 'survivors',
        idempotencyKey: 'the run that was killed',
      });
      expect(made).toMatchObject({ status: 'READY', published: true, family: 'survivors' });
      const ids = idsSince(start, 'Images.Insert');
      expect(ids.length).toBeGreaterThan(1);
      expect(new Set(ids).size, 'both processes send one request id').toBe(1);
      expect(await namesOf(name)).toEqual(['READY']);
    },
  );

  it('finds what it made when Google has forgotten the request', async () => {
    const wanted = request();
    const first = await provider.images.create(wanted);
    time.aheadMs = 2 * 60 * 60_000;
    const again = await other.images.create(wanted);
    expect(again).toMatchObject({ ref: first.ref, createdAt: first.createdAt });
    const stranger = other.images.create({ ...wanted, idempotencyKey: 'another' });
    await expect(stranger).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    const keyless = other.images.create({ ...wanted, idempotencyKey: undefined });
    await expect(keyless).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  });

  it('makes another one when what it made failed, or is gone', async () => {
    const wanted = request();
    emulator.faults.add({ rpc: 'Images.Insert', kind: 'operation-error', code: 'INTERNAL_ERROR' });
    const failed = await Promise.resolve(provider.images.create(wanted)).catch(
      (error: unknown) => error,
    );
    expect(ImgkitError.is(failed, 'OPERATION_FAILED')).toBe(true);
    expect(failed).toMatchObject({ providerCode: 'INTERNAL_ERROR', operation: 'images.create' });
    expect(await namesOf(wanted.name), 'nothing is left of a failure').toEqual([]);

    const start = emulator.requests.length;
    const made = await other.images.create(wanted);
    expect(made.status).toBe('READY');
    expect(new Set(idsSince(start, 'Images.Insert')).size, 'the failed one, and another').toBe(2);
    await provider.images.delete(made.ref.id);
    expect((await provider.images.create(wanted)).status).toBe('READY');
    expect(await namesOf(wanted.name)).toEqual(['READY']);
  });

  it('doesn’t publish again what was withdrawn since', async () => {
    const wanted = request({ family: 'web' });
    const { ref } = await provider.images.create(wanted);
    await publishing.withdraw(ref.id);
    expect((await provider.images.create(wanted)).published).toBe(false);
  });
});
