import { mkdir, open, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { ImgkitError } from '../spec/errors.ts';
import { schema, schemaVersion } from './journal-schema.ts';
import { messageOf } from './recorded-error.ts';

/** A row as SQLite gives it. */
export type Row = Readonly<Record<string, SQLOutputValue>>;

/** How long a writer waits for other processes' transactions, in milliseconds. */
const busyTimeoutMs = 10_000;

/** File systems on which SQLite's locks can't be trusted, by the number that `statfs` gives. */
const networkFileSystems = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
]);

/** The journal's file: statements kept prepared, and transactions that hold against other processes. */
export class Database {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #inTransaction = false;
  #open = true;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Whether {@link Database.close} was not yet called. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** Changes rows; returns how many. */
  run(sql: string, ...values: readonly SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  one(sql: string, ...values: readonly SQLInputValue[]): Row | undefined {
    return this.#prepare(sql).get(...values);
  }

  all(sql: string, ...values: readonly SQLInputValue[]): readonly Row[] {
    return this.#prepare(sql).all(...values);
  }

  /** A number that changes when another connection has written. */
  version(): number {
    return Number(this.one('PRAGMA data_version')?.['data_version']);
  }

  /** Does all of `work` or nothing, and no other process in between. Within a transaction, it is a part of that. */
  transaction<T>(work: () => T): T {
    if (this.#inTransaction) return work();
    // Taking the lock for writing at once means never having to give up half way.
    try {
      this.run('BEGIN IMMEDIATE');
      this.#inTransaction = true;
      const result = work();
      this.run('COMMIT');
      return result;
    } catch (error) {
      if (this.#open && this.#inTransaction) this.#rollBack();
      throw asJournalError(error);
    } finally {
      this.#inTransaction = false;
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#statements.clear();
    this.#database.close();
  }

  #rollBack(): void {
    try {
      this.run('ROLLBACK');
    } catch {
      // SQLite has already rolled back by itself, as it does when the disk is full.
    }
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/**
 * Opens the journal in `directory`, making both when they are missing, readable by their owner only.
 *
 * @throws {@link ImgkitError} `FAILED_PRECONDITION` when the directory can't be used, lies on a network file
 * system, or its journal was written by a newer version; `UNSUPPORTED` when this Node has no SQLite.
 */
export async function openDatabase(directory: string): Promise<Database> {
  const file = join(directory, 'journal.db');
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await (await open(file, 'a', 0o600)).close();
  } catch (error) {
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      `the journal can't be opened: ${messageOf(error)}`,
      {
        resource: directory,
        hint: 'Give the engine a directory that this user may write to.',
        cause: error,
      },
    );
  }
  const network = networkFileSystems.get((await statfs(directory)).type);
  if (network !== undefined) {
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      `the journal would lie on ${network}, where its locks don't hold`,
      {
        resource: directory,
        hint: 'Give the engine a directory on a disk of this machine.',
      },
    );
  }
  const { DatabaseSync } = await import('node:sqlite').catch((error: unknown) => {
    throw new ImgkitError('UNSUPPORTED', 'this Node has no node:sqlite', {
      hint: 'Run with Node 22.13 or newer.',
      cause: error,
    });
  });
  const connection = new DatabaseSync(file);
  try {
    connection.exec(
      `PRAGMA busy_timeout = ${busyTimeoutMs}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL`,
    );
    const database = new Database(connection);
    database.transaction(() => prepareSchema(connection, directory));
    return database;
  } catch (error) {
    connection.close();
    if (ImgkitError.is(error)) throw error;
    throw new ImgkitError('FAILED_PRECONDITION', `the journal can't be read: ${messageOf(error)}`, {
      resource: file,
      hint: 'If it is damaged, move it away: runs in it are lost, their resources are not (see their labels).',
      cause: error,
    });
  }
}

function prepareSchema(connection: DatabaseSync, directory: string): void {
  const version = Number(connection.prepare('PRAGMA user_version').get()?.['user_version']);
  if (version > schemaVersion) {
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      'the journal was written by a newer version of imgkit',
      {
        resource: directory,
        hint: 'Update imgkit, or give the engine another directory.',
      },
    );
  }
  if (version === 0) connection.exec(`${schema}; PRAGMA user_version = ${schemaVersion}`);
}

/** Readers of a row's columns, which hold the database to what its schema says. */
export const column = {
  text(row: Row, name: string): string {
    const value = row[name];
    if (typeof value !== 'string') throw corrupt(name);
    return value;
  },
  optionalText(row: Row, name: string): string | undefined {
    return row[name] === null ? undefined : column.text(row, name);
  },
  integer(row: Row, name: string): number {
    const value = row[name];
    if (typeof value !== 'number') throw corrupt(name);
    return value;
  },
  optionalInteger(row: Row, name: string): number | undefined {
    return row[name] === null ? undefined : column.integer(row, name);
  },
  flag(row: Row, name: string): boolean {
    return column.integer(row, name) !== 0;
  },
  /** One of `values`. */
  choice<T extends string>(row: Row, name: string, values: readonly T[]): T {
    const value = values.find((candidate) => candidate === row[name]);
    if (value === undefined) throw corrupt(name);
    return value;
  },
};

/** What SQLite's own errors mean for the one who uses the journal. */
function asJournalError(error: unknown): unknown {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number')
    return error;
  // The low byte is the primary result code: 5 and 6 are locks, 13 is a full disk.
  const primary = error.errcode % 256;
  return new ImgkitError(
    primary === 5 || primary === 6 ? 'UNAVAILABLE' : 'FAILED_PRECONDITION',
    `the journal can't be written: ${error.message}`,
    {
      providerCode: `SQLITE ${error.errcode}`,
      hint: primary === 13 ? 'Free some space, then resume the run.' : undefined,
      cause: error,
    },
  );
}

function corrupt(name: string): ImgkitError {
  return new ImgkitError(
    'FAILED_PRECONDITION',
    `the journal is damaged: column "${name}" is not as it should be`,
  );
}
