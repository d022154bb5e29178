import { closeSync, openSync } from 'node:fs';
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { ImgkitError } from '../spec/errors.ts';
import { databaseError, isLocked } from './database-error.ts';

/** A row as SQLite gives it. */
export type Row = Readonly<Record<string, SQLOutputValue>>;

/** What {@link Database.open} needs to know of a file. */
export interface DatabaseOptions {
  /** What the file is, for messages: for example `the journal`. */
  readonly subject: string;
  /** SQL for each version of the schema: what makes version 1 of a fresh file, what makes version 2 of version 1, and so on. */
  readonly migrations: readonly string[];
  /** How long to wait for other processes' transactions, in milliseconds. */
  readonly busyTimeoutMs?: number | undefined;
  /** What to do when the file is damaged. */
  readonly damagedHint?: string | undefined;
}

const longestWaitMs = 50;

/**
 * A SQLite file that several processes of one machine share: statements kept prepared, and transactions that hold
 * against the other processes.
 *
 * It is in WAL mode with full synchronization: what a transaction committed survives a power cut. `node:sqlite`
 * is loaded when the first file is opened.
 */
export class Database implements Disposable {
  /** The file's path. */
  readonly file: string;
  readonly #subject: string;
  readonly #damagedHint: string | undefined;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #inTransaction = false;
  #open = true;

  private constructor(file: string, database: DatabaseSync, options: DatabaseOptions) {
    this.file = file;
    this.#database = database;
    this.#subject = options.subject;
    this.#damagedHint = options.damagedHint;
  }

  /**
   * Opens a file, made readable by its owner only when it is missing, and brings it to this version's schema.
   *
   * @throws {@link ImgkitError} `FAILED_PRECONDITION` when the file can't be used, is damaged or no database, or was
   * written by a newer version; `UNAVAILABLE` when other processes lock it for longer than `busyTimeoutMs`;
   * `UNSUPPORTED` when this Node has no SQLite.
   */
  static open(file: string, options: DatabaseOptions): Database {
    const { subject, busyTimeoutMs = 30_000 } = options;
    makeFile(file, subject);
    const sqlite = process.getBuiltinModule('node:sqlite');
    if (sqlite === undefined) {
      throw new ImgkitError('UNSUPPORTED', 'this Node has no node:sqlite', {
        hint: 'Run with Node 22.13 or newer.',
      });
    }
    const connection = connect(() => new sqlite.DatabaseSync(file), file, options);
    const database = new Database(file, connection, options);
    try {
      database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
      database.#switchToWal(Date.now() + busyTimeoutMs);
      database.exec('PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON');
      database.#migrate(options.migrations);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Whether {@link Database.close} was not yet called. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** Changes rows; returns how many. */
  run(sql: string, ...values: readonly SQLInputValue[]): number {
    return this.#try(() => Number(this.#prepare(sql).run(...values).changes));
  }

  /** Adds a row; returns its `rowid`. */
  insert(sql: string, ...values: readonly SQLInputValue[]): number {
    return this.#try(() => Number(this.#prepare(sql).run(...values).lastInsertRowid));
  }

  /** The first row that a statement gives. */
  one(sql: string, ...values: readonly SQLInputValue[]): Row | undefined {
    return this.#try(() => this.#prepare(sql).get(...values));
  }

  /** The rows that a statement gives. */
  all(sql: string, ...values: readonly SQLInputValue[]): readonly Row[] {
    return this.#try(() => this.#prepare(sql).all(...values));
  }

  /** Runs statements that need no values, once. */
  exec(sql: string): void {
    this.#try(() => this.#database.exec(sql));
  }

  /** A number that changes when another connection has written. */
  version(): number {
    return Number(this.one('PRAGMA data_version')?.['data_version']);
  }

  /**
   * Does all of `work` or nothing, and no other process in between. Within a transaction, it is a part of that.
   * `work` is synchronous, so that others wait for it no longer than they must.
   */
  transaction<T>(work: () => T): T {
    if (this.#inTransaction) return work();
    // Taking the lock for writing at once means never having to give up half way.
    this.run('BEGIN IMMEDIATE');
    this.#inTransaction = true;
    try {
      const result = work();
      if (result instanceof Promise) throw new TypeError('a transaction can not be waited for');
      this.run('COMMIT');
      return result;
    } catch (error) {
      if (this.#open) this.#rollBack();
      throw error;
    } finally {
      this.#inTransaction = false;
    }
  }

  /** Closes the file; other processes are not affected. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#statements.clear();
    this.#database.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * To leave the mode that a fresh file has takes a lock that is tried for once only, whatever the timeout: when
   * two processes open the file together, one of them is refused at once, and has to ask again.
   */
  #switchToWal(deadline: number): void {
    for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, longestWaitMs)) {
      try {
        this.#database.exec('PRAGMA journal_mode = WAL');
        return;
      } catch (error) {
        if (!isLocked(error) || Date.now() >= deadline) throw this.#translate(error);
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, waitMs);
    }
  }

  #migrate(migrations: readonly string[]): void {
    if (this.#schemaVersion() === migrations.length) return;
    this.transaction(() => {
      const version = this.#schemaVersion();
      if (version > migrations.length) {
        throw new ImgkitError(
          'FAILED_PRECONDITION',
          `${this.#subject} was written by a newer version of imgkit: its schema is ${version}, this one knows ${migrations.length}`,
          { resource: this.file, hint: 'Update imgkit, or use another directory.' },
        );
      }
      for (const migration of migrations.slice(version)) this.exec(migration);
      this.exec(`PRAGMA user_version = ${migrations.length}`);
    });
  }

  #schemaVersion(): number {
    return Number(this.one('PRAGMA user_version')?.['user_version']);
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

  #try<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.#translate(error);
    }
  }

  #translate(error: unknown): unknown {
    return databaseError(error, this.#subject, this.file, this.#damagedHint);
  }
}

function connect(open: () => DatabaseSync, file: string, options: DatabaseOptions): DatabaseSync {
  try {
    return open();
  } catch (error) {
    throw databaseError(error, options.subject, file, options.damagedHint);
  }
}

function makeFile(file: string, subject: string): void {
  try {
    // The files of WAL mode take their permissions from this one.
    closeSync(openSync(file, 'a', 0o600));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new ImgkitError('FAILED_PRECONDITION', `${subject} can't be opened: ${message}`, {
      resource: file,
      hint: 'Use a directory that this user may write to.',
      cause: error,
    });
  }
}
