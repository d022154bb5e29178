import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collect } from './open-test-kit.ts';
import { sqliteStateStore } from './sqlite-state-store.ts';
import type { Collection } from './state-store.ts';

const counters: Collection<{ readonly count: number }> = { name: 'counters' };
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imgkit-store-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('the state store', () => {
  it('keeps records for the next one that opens it, for its owner only', async () => {
    const store = sqliteStateStore(directory);
    await store.write(counters, 'b', { count: 1 });
    await store.write(counters, 'a', { count: 2 });
    await store.write(counters, 'b', { count: 3 });
    await store.close();
    expect((await stat(join(directory, 'kit.db'))).mode & 0o777).toBe(0o600);

    const again = sqliteStateStore(directory);
    expect(await again.read(counters, 'b')).toEqual({ count: 3 });
    expect(await again.read(counters, 'c')).toBeUndefined();
    expect(await collect(again.list(counters))).toEqual([
      { key: 'a', value: { count: 2 } },
      { key: 'b', value: { count: 3 } },
    ]);
    await again.close();
    await expect(again.read(counters, 'b')).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });

  it('refuses a file that is none of its own', async () => {
    await writeFile(join(directory, 'kit.db'), 'not a database, whatever its name says'.repeat(99));
    await expect(sqliteStateStore(directory).read(counters, 'a')).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      resource: join(directory, 'kit.db'),
    });
  });

  it('lets go of its locks when it is closed in the middle of work', async () => {
    const cutOff = sqliteStateStore(directory);
    const taken = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const work = cutOff.lock('n', () => {
      taken.resolve();
      return release.promise;
    });
    await taken.promise;
    await cutOff.close();
    const next = sqliteStateStore(directory);
    expect(await next.lock('n', () => Promise.resolve('mine'))).toBe('mine');
    release.resolve();
    await work;
    await next.close();
  });

  it('lets one at a time hold a lock, also after a failure', async () => {
    const stores = [sqliteStateStore(directory), sqliteStateStore(directory)];
    const increment = async (store: (typeof stores)[number]): Promise<void> => {
      const count = (await store.read(counters, 'n'))?.count ?? 0;
      await new Promise((resolve) => setImmediate(resolve));
      await store.write(counters, 'n', { count: count + 1 });
    };
    const work = Array.from({ length: 10 }, (_, n) => stores[n % 2] ?? sqliteStateStore(directory));
    await Promise.all(work.map((store) => store.lock('n', () => increment(store))));
    expect(await stores[0]?.read(counters, 'n')).toEqual({ count: 10 });

    const failure = new Error('no');
    await expect(stores[0]?.lock('n', () => Promise.reject(failure))).rejects.toBe(failure);
    expect(await stores[1]?.lock('n', () => Promise.resolve('free'))).toBe('free');
    for (const store of stores) await store.close();
  });

  it('stops waiting for a lock when told to', async () => {
    const store = sqliteStateStore(directory);
    const held = Promise.withResolvers<void>();
    const taken = Promise.withResolvers<void>();
    const first = store.lock('n', async () => {
      taken.resolve();
      await held.promise;
    });
    await taken.promise;
    const signal = AbortSignal.timeout(20);
    await expect(store.lock('n', () => Promise.resolve(), { signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    held.resolve();
    await first;
    await store.close();
  });

  it('frees the lock of a process that died', async (context) => {
    const typescript: unknown = Reflect.get(process.features, 'typescript');
    if (typescript === undefined || typescript === false) {
      context.skip('this Node runs no TypeScript by itself, so there is no other process to kill');
    }
    const source = fileURLToPath(new URL('./sqlite-state-store.ts', import.meta.url));
    const program = `
      import { sqliteStateStore } from ${JSON.stringify(source)};
      const store = sqliteStateStore(${JSON.stringify(directory)});
      await store.lock('n', () => new Promise(() => { console.log('taken'); setInterval(() => {}, 1000); }));
    `;
    const holder = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(holder.stdout, 'data');
      const store = sqliteStateStore(directory);
      const signal = AbortSignal.timeout(50);
      await expect(store.lock('n', () => Promise.resolve(), { signal })).rejects.toMatchObject({
        code: 'CANCELLED',
      });
      const exited = once(holder, 'exit');
      holder.kill('SIGKILL');
      await exited;
      expect(await store.lock('n', () => Promise.resolve('free'))).toBe('free');
      await store.close();
    } finally {
      holder.kill('SIGKILL');
    }
  });
});
