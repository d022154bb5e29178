import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Database } from './database.ts';

const migrations = ['CREATE TABLE thing (name TEXT PRIMARY KEY) STRICT'];
let directory = '';
let file = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'imgkit-database-'));
  file = join(directory, 'things.db');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const open = (busyTimeoutMs?: number) =>
  Database.open(file, { subject: 'the list of things', migrations, busyTimeoutMs });
const insert = (database: Database, name: string) =>
  database.insert('INSERT INTO thing (name) VALUES (?)', name);
const names = (database: Database) =>
  database.all('SELECT name FROM thing').map((row) => row['name']);

describe('opening a database', () => {
  it('makes it for its owner only, and durable', () => {
    using database = open();
    insert(database, 'a');
    for (const path of [file, `${file}-wal`, `${file}-shm`]) {
      expect(statSync(path).mode & 0o777).toBe(0o600);
    }
    expect(database.one('PRAGMA synchronous')).toMatchObject({ synchronous: 2 });
    expect(database.one('PRAGMA journal_mode')).toMatchObject({ journal_mode: 'wal' });
    expect(database.one('PRAGMA foreign_keys')).toMatchObject({ foreign_keys: 1 });
  });

  it('works for many who open a fresh file at the same moment', async () => {
    // A worker has a connection of its own, which SQLite keeps apart from the others as it does with processes.
    const [workers, rounds] = [3, 50];
    const gate = new Int32Array(new SharedArrayBuffer(8));
    const source = new URL('database.worker.ts', import.meta.url);
    const execArgv = ['--no-warnings', '--experimental-strip-types'];
    const failures: unknown[] = [];
    const all = Array.from({ length: workers }, (_, worker) => {
      const workerData = { directory, gate, worker, workers, rounds };
      return new Worker(source, { workerData, execArgv });
    });
    await Promise.all(
      all.map(async (worker) => {
        worker.on('message', (message) => failures.push(message));
        const ended = Promise.withResolvers<void>();
        worker.on('error', ended.reject).on('exit', () => ended.resolve());
        await ended.promise;
      }),
    );
    expect(failures).toEqual([]);
    for (let round = 0; round < rounds; round += 1) {
      using database = Database.open(join(directory, `${round}.db`), { subject: 'it', migrations });
      expect(names(database)).toHaveLength(workers);
    }
  }, 120_000);

  it('waits for one who holds a fresh file, and says so when it takes too long', async () => {
    const other = new DatabaseSync(file);
    other.exec('BEGIN EXCLUSIVE');
    expect(() => open(20)).toThrow(
      expect.objectContaining({
        code: 'UNAVAILABLE',
        resource: file,
        message: expect.stringContaining('the list of things is locked'),
      }),
    );
    other.exec('ROLLBACK');
    other.close();
    using database = open(20);
    expect(names(database)).toEqual([]);
  });

  it('takes a file of any earlier version forward, and refuses one of a newer', () => {
    open().close();
    const options = { subject: 'the list', migrations: [...migrations, 'DROP TABLE thing'] };
    Database.open(file, options).close();
    expect(() => open()).toThrow(
      expect.objectContaining({
        code: 'FAILED_PRECONDITION',
        message: expect.stringContaining('newer version'),
      }),
    );
  });

  it('refuses what is no database, and what is no file', () => {
    writeFileSync(file, 'not a database at all, but long enough to be looked at'.repeat(200));
    expect(() => open()).toThrow(
      expect.objectContaining({
        code: 'FAILED_PRECONDITION',
        message: expect.stringContaining('is damaged'),
      }),
    );
    file = directory;
    expect(() => open()).toThrow(expect.objectContaining({ code: 'FAILED_PRECONDITION' }));
  });
});

describe('a transaction', () => {
  it('is undone whole when it fails, the ones in it included', () => {
    using database = open();
    expect(() =>
      database.transaction(() => {
        insert(database, 'a');
        database.transaction(() => insert(database, 'b'));
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(names(database)).toEqual([]);
    expect(database.transaction(() => insert(database, 'c'))).toBe(1);
    expect(names(database)).toEqual(['c']);
  });

  it('is not one that waits', async () => {
    using database = open();
    expect(() =>
      database.transaction(async () => {
        insert(database, 'a');
        await delay(0);
      }),
    ).toThrow('can not be waited for');
    expect(names(database)).toEqual([]);
  });

  it('gives up with the reason when another one holds the file', () => {
    using holder = open();
    using database = open(10);
    holder.transaction(() => {
      expect(() => database.transaction(() => insert(database, 'a'))).toThrow(
        expect.objectContaining({ code: 'UNAVAILABLE', providerCode: 'SQLITE 5' }),
      );
    });
  });
});
