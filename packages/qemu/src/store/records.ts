import { ImgkitError } from '@imgkit/core';
import type { z } from 'zod';

import { systemCode } from '../errors.ts';
import type { Database, Row } from '@imgkit/core/local';
import { column } from './catalog.ts';

/** A resource of the provider, as the catalog keeps it. */
export interface StoredRecord<D> {
  /** Grows with every new record and is never used again. */
  readonly seq: number;
  readonly project: string;
  readonly name: string;
  /** The idempotency key with which it was created. */
  readonly key: string | undefined;
  readonly state: string;
  /** The process that works on it, while its state says that one does. */
  readonly owner: string | undefined;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly doc: D;
}

/** A record to be. */
export interface NewRecord<D> {
  readonly project: string;
  readonly name: string;
  readonly key?: string | undefined;
  readonly state: string;
  readonly owner?: string | undefined;
  readonly doc: D;
}

/** All records of one kind, for example all images of all projects. */
export class Records<D> {
  readonly #catalog: Database;
  readonly kind: string;
  readonly #schema: z.ZodType<D>;

  constructor(catalog: Database, kind: string, schema: z.ZodType<D>) {
    this.#catalog = catalog;
    this.kind = kind;
    this.#schema = schema;
  }

  /** The record called `name`. */
  find(project: string, name: string): StoredRecord<D> | undefined {
    const sql = 'SELECT * FROM records WHERE kind = ? AND project = ? AND name = ?';
    return this.#read(this.#catalog.one(sql, this.kind, project, name));
  }

  /** The record that was created with the idempotency key `key`. */
  findByKey(project: string, key: string): StoredRecord<D> | undefined {
    const sql = 'SELECT * FROM records WHERE kind = ? AND project = ? AND key = ?';
    return this.#read(this.#catalog.one(sql, this.kind, project, key));
  }

  /** The record numbered `seq`. */
  at(seq: number): StoredRecord<D> | undefined {
    const sql = 'SELECT * FROM records WHERE kind = ? AND seq = ?';
    return this.#read(this.#catalog.one(sql, this.kind, seq));
  }

  /** Up to `limit` records older than number `before`, newest first; of one project if one is given. */
  page(before: number | undefined, limit: number, project?: string): StoredRecord<D>[] {
    const sql = `SELECT * FROM records
      WHERE kind = ? AND seq < ifnull(?, seq + 1) AND project = ifnull(?, project)
      ORDER BY seq DESC LIMIT ?`;
    const rows = this.#catalog.all(sql, this.kind, before ?? null, project ?? null, limit);
    return rows.flatMap((row) => this.#read(row) ?? []);
  }

  /** All records, newest first. */
  all(project?: string): StoredRecord<D>[] {
    return this.page(undefined, -1, project);
  }

  /**
   * Adds a record.
   *
   * @throws `ALREADY_EXISTS` when its name or its key is taken in its project.
   */
  insert(record: NewRecord<D>): StoredRecord<D> {
    const { project, name, key, state, owner, doc } = record;
    const sql = `INSERT INTO records (kind, project, name, key, state, owner, created_at, doc)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
    const createdAt = Date.now();
    const values = [this.kind, project, name, key ?? null, state, owner ?? null, createdAt];
    try {
      const seq = this.#catalog.insert(sql, ...values, JSON.stringify(doc));
      return { seq, project, name, key, state, owner, createdAt, doc };
    } catch (error) {
      if (systemCode(error) !== 'ERR_SQLITE_ERROR' || !/UNIQUE/.test(String(error))) throw error;
      throw new ImgkitError(
        'ALREADY_EXISTS',
        `the ${this.kind} ${project}/${name} exists already`,
        {
          resource: `projects/${project}/${name}`,
          hint: 'Choose another name, or delete the one that exists.',
          cause: error,
        },
      );
    }
  }

  /** Changes a record; what is not given stays. */
  update(
    seq: number,
    change: { state?: string; owner?: string | undefined; key?: string; doc?: D },
  ): StoredRecord<D> {
    return this.#catalog.transaction(() => {
      const current = this.at(seq);
      if (current === undefined)
        throw new ImgkitError('NOT_FOUND', `the ${this.kind} is not there any more`);
      const next = { ...current, ...change };
      this.#catalog.run(
        'UPDATE records SET state = ?, owner = ?, key = ?, doc = ? WHERE seq = ?',
        next.state,
        next.owner ?? null,
        next.key ?? null,
        JSON.stringify(next.doc),
        seq,
      );
      return next;
    });
  }

  /** Removes a record and its claims on blobs; the blobs stay until garbage is collected. */
  delete(seq: number): boolean {
    const sql = 'DELETE FROM records WHERE kind = ? AND seq = ?';
    return this.#catalog.run(sql, this.kind, seq) > 0;
  }

  /** Says that the record `seq` needs exactly the blobs `digests`. */
  refer(seq: number, digests: readonly string[]): void {
    this.#catalog.transaction(() => {
      this.#catalog.run('DELETE FROM blob_refs WHERE seq = ?', seq);
      for (const digest of new Set(digests))
        this.#catalog.run('INSERT INTO blob_refs (seq, digest) VALUES (?, ?)', seq, digest);
    });
  }

  #read(row: Row | undefined): StoredRecord<D> | undefined {
    if (row === undefined) return undefined;
    const doc = this.#schema.safeParse(JSON.parse(column(row, 'doc')));
    if (!doc.success)
      throw new ImgkitError(
        'FAILED_PRECONDITION',
        `the ${this.kind} ${column(row, 'project')}/${column(row, 'name')} is damaged in the catalog`,
        { cause: doc.error },
      );
    return {
      seq: Number(row['seq']),
      project: column(row, 'project'),
      name: column(row, 'name'),
      key: text(row['key']),
      state: column(row, 'state'),
      owner: text(row['owner']),
      createdAt: Number(row['created_at']),
      doc: doc.data,
    };
  }
}

function text(value: Row[string] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
