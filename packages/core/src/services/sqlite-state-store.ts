import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { decode } from '../engine/json.ts';
import { column } from '../local/column.ts';
import { Database } from '../local/database.ts';
import { systemProcesses, type ProcessTable } from '../local/process-identity.ts';
import { throwIfAborted } from '../plugin/operation.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { StateStore } from './state-store.ts';

const schema = `
  CREATE TABLE IF NOT EXISTS record (
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (collection, key)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS lock (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started TEXT NOT NULL,
    taken INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
`;

/** A lock of a process that can't be seen from here, for example of another container, is free after so many milliseconds. */
const unseenMs = 10 * 60_000;
const longestPollMs = 100;

/** The state store that needs nothing but a directory: a file of SQLite's, opened when it is first asked for something. */
export function sqliteStateStore(
  directory: string,
  processes: ProcessTable = systemProcesses,
): StateStore {
  let opened: Database | undefined;
  let closed = false;
  const held = new Set<string>();
  const database = (signal?: AbortSignal): Database => {
    throwIfAborted(signal);
    if (closed) throw new ImgkitError('FAILED_PRECONDITION', 'the kit is disposed of');
    opened ??= Database.open(join(directory, 'kit.db'), {
      subject: "the kit's file of records",
      migrations: [schema],
      damagedHint: 'Move it away: histories of publications and channels are lost with it.',
    });
    return opened;
  };

  return {
    async read(collection, key, options) {
      const sql = 'SELECT value FROM record WHERE collection = ? AND key = ?';
      const row = database(options?.signal).one(sql, collection.name, key);
      return row === undefined ? undefined : decode(column.text(row, 'value'));
    },

    async write(collection, key, value, options) {
      database(options?.signal).run(
        `INSERT INTO record (collection, key, value) VALUES (?, ?, ?)
         ON CONFLICT (collection, key) DO UPDATE SET value = excluded.value`,
        collection.name,
        key,
        JSON.stringify(value),
      );
    },

    async remove(collection, key, options) {
      const sql = 'DELETE FROM record WHERE collection = ? AND key = ?';
      database(options?.signal).run(sql, collection.name, key);
    },

    async *list(collection, options) {
      const sql = 'SELECT key, value FROM record WHERE collection = ? ORDER BY key';
      for (const row of database(options?.signal).all(sql, collection.name)) {
        throwIfAborted(options?.signal);
        yield { key: column.text(row, 'key'), value: decode(column.text(row, 'value')) };
      }
    },

    async lock(name, work, options) {
      const store = database(options?.signal);
      const holder = randomUUID();
      for (let poll = 5; !take(store, processes, name, holder); poll *= 2) {
        await delay(Math.min(poll, longestPollMs), undefined, { signal: options?.signal }).catch(
          () => throwIfAborted(options?.signal),
        );
      }
      held.add(holder);
      try {
        return await work();
      } finally {
        if (held.delete(holder)) release(store, holder);
      }
    },

    async close() {
      closed = true;
      if (opened === undefined) return;
      // Work that is cut off can't release its locks any more, and this process, which lives on, would seem to hold them.
      for (const holder of held) release(opened, holder);
      held.clear();
      opened.close();
    },
  };
}

function release(store: Database, holder: string): void {
  store.run('DELETE FROM lock WHERE holder = ?', holder);
}

/** Takes a lock if it is free; says whether it did. */
function take(store: Database, processes: ProcessTable, name: string, holder: string): boolean {
  return store.transaction(() => {
    const row = store.one('SELECT * FROM lock WHERE name = ?', name);
    if (row !== undefined) {
      const alive = processes.isAlive({
        host: column.text(row, 'host'),
        pid: column.integer(row, 'pid'),
        started: column.text(row, 'started'),
      });
      if (alive ?? Date.now() - column.integer(row, 'taken') < unseenMs) return false;
    }
    const { host, pid, started } = processes.self();
    const sql =
      'INSERT OR REPLACE INTO lock (name, holder, host, pid, started, taken) VALUES (?, ?, ?, ?, ?, ?)';
    store.run(sql, name, holder, host, pid, started, Date.now());
    return true;
  });
}
