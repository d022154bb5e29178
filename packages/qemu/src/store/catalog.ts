import { chmodSync } from 'node:fs';
import { createRequire } from 'node:module';
import type sqlite from 'node:sqlite';
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';

import { ImgkitError } from '@imgkit/core';

import { fileError } from '../errors.ts';
import { migrations } from './schema.ts';

/** One row of an answer. */
export type Row = Record<string, SQLOutputValue>;

/** The column `name` of a row as text. */
export function column(row: Row, name: string): string {
  return String(row[name]);
}

const busyTimeoutMs = 30_000;

/**
 * The store's database, shared by many processes.
 *
 * It is in WAL mode with full synchronization: what a transaction committed survives a power cut.
 * Everything that decides and then writes does so in one {@link transaction}, which holds the only
 * write lock there is.
 */
export class Catalog implements Disposable {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #inTransaction = false;
  #open = true;
  readonly path: string;

  private constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.path = path;
  }

  /**
   * Opens or makes the catalog at `path` and brings it to this version's schema.
   *
   * @throws `FAILED_PRECONDITION` when a newer version made it, or it is not a catalog.
   */
  static open(path: string): Catalog {
    const catalog = new Catalog(openDatabase(path), path);
    try {
      // The files of WAL mode take their permissions from this one.
      chmodSync(path, 0o600);
      const pragmas = [
        `busy_timeout = ${busyTimeoutMs}`,
        'journal_mode = WAL',
        'synchronous = FULL',
        'foreign_keys = ON',
      ];
      for (const pragma of pragmas) catalog.#database.exec(`PRAGMA ${pragma}`);
      catalog.#migrate();
      return catalog;
    } catch (error) {
      catalog.close();
      throw catalogError(error, path);
    }
  }

  /** The rows that a statement gives. */
  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#try(() => this.#prepare(sql).all(...values));
  }

  /** The first row that a statement gives. */
  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#try(() => this.#prepare(sql).get(...values));
  }

  /** Runs a statement and gives the number of rows it changed, and the last one's number. */
  run(sql: string, ...values: SQLInputValue[]): { changes: number; seq: number } {
    const { changes, lastInsertRowid } = this.#try(() => this.#prepare(sql).run(...values));
    return { changes: Number(changes), seq: Number(lastInsertRowid) };
  }

  /**
   * Runs `body` alone among all processes: all it wrote is committed, or, when it throws, none.
   * A transaction inside another one is part of it. `body` is synchronous, so that the lock is short.
   */
  transaction<T>(body: () => T extends PromiseLike<unknown> ? never : T): T {
    if (this.#inTransaction) return body();
    this.#try(() => this.#database.exec('BEGIN IMMEDIATE'));
    this.#inTransaction = true;
    try {
      const result = body();
      this.#try(() => this.#database.exec('COMMIT'));
      return result;
    } catch (error) {
      this.#rollBack();
      throw error;
    } finally {
      this.#inTransaction = false;
    }
  }

  /** Closes the database; other processes are not affected. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#statements.clear();
    this.#database.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #rollBack(): void {
    try {
      this.#database.exec('ROLLBACK');
    } catch {
      // SQLite itself rolls back on some errors, and then there is nothing left to.
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

  #migrate(): void {
    if (this.#version() === migrations.length) return;
    this.transaction(() => {
      const version = this.#version();
      if (version > migrations.length)
        throw new ImgkitError(
          'FAILED_PRECONDITION',
          `${this.path} has version ${version} of its schema, this imgkit knows ${migrations.length}`,
          { resource: this.path, hint: 'Update imgkit, or use another store.' },
        );
      for (const migration of migrations.slice(version)) this.#database.exec(migration);
      this.#database.exec(`PRAGMA user_version = ${migrations.length}`);
    });
  }

  #version(): number {
    return Number(this.#database.prepare('PRAGMA user_version').get()?.['user_version']);
  }

  #try<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      throw catalogError(error, this.path);
    }
  }
}

/** Loads node:sqlite at first use only: on Node 22 loading it prints a warning. */
function openDatabase(path: string): DatabaseSync {
  try {
    const { DatabaseSync }: typeof sqlite = createRequire(import.meta.url)('node:sqlite');
    return new DatabaseSync(path);
  } catch (error) {
    throw catalogError(error, path);
  }
}

function catalogError(error: unknown, path: string): unknown {
  if (ImgkitError.is(error)) return error;
  const number: unknown = error instanceof Error ? Reflect.get(error, 'errcode') : undefined;
  const primary = typeof number === 'number' ? number & 0xff : undefined;
  const message = error instanceof Error ? error.message : String(error);
  const known = (code: 'UNAVAILABLE' | 'FAILED_PRECONDITION', text: string, hint: string) =>
    new ImgkitError(code, `${path} ${text}: ${message}`, { resource: path, hint, cause: error });
  switch (primary) {
    case 5:
    case 6:
      return known('UNAVAILABLE', 'is locked', 'Another process holds it for long; try again.');
    case 11:
    case 26:
      return known('FAILED_PRECONDITION', 'is damaged', 'Restore it from a backup.');
    case 8:
    case 10:
    case 13:
    case 14:
      return known('FAILED_PRECONDITION', 'can not be used', 'Check the disk and permissions.');
    default:
      return primary === undefined ? fileError(error, path) : error;
  }
}
