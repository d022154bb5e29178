import { column } from '../local/column.ts';
import type { Database, Row } from '../local/database.ts';
import type { RunFilter, RunOutcome, RunState } from './port.ts';
import type { ConcurrencyLimit } from './workflow.ts';

/** A run as the journal has it; what is JSON is still text. */
export interface RunRow {
  readonly id: string;
  readonly root: string;
  readonly parent: string | undefined;
  /** The attempt of the parent that started it. */
  readonly parentAttempt: number;
  readonly workflow: string;
  readonly protocol: number;
  readonly attempt: number;
  readonly state: RunState;
  /** What it will be when its clean-up is through. */
  readonly outcome: RunOutcome | undefined;
  /** Why it is to be cancelled. */
  readonly cancel: string | undefined;
  readonly input: string | undefined;
  readonly output: string | undefined;
  readonly error: string | undefined;
  readonly label: string;
  readonly keepOnFailure: boolean;
  readonly expiresInMs: number;
  readonly limit: ConcurrencyLimit | undefined;
  /** With a root: who works on it. */
  readonly executor: string | undefined;
  /** With a root: counts the takeovers. */
  readonly generation: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly finishedAt: number | undefined;
}

/** What a run starts out with. */
export type NewRun = Omit<
  RunRow,
  'outcome' | 'cancel' | 'output' | 'error' | 'updatedAt' | 'finishedAt'
>;

const outcomes = ['SUCCEEDED', 'FAILED', 'CANCELLED'] as const;
const states = ['PENDING', 'RUNNING', 'CLEANING', ...outcomes] as const;

/** Whether a run in this state is over. */
export function isOver(state: RunState): state is RunOutcome {
  return outcomes.some((outcome) => outcome === state);
}

const over = `('SUCCEEDED', 'FAILED', 'CANCELLED')`;
/** The run `?1`, its descendants, and their clean-ups. `?2` is its root, of which there is an index. */
export const inTree = `root = ?2 AND
  (run.id IN (?1, ?1 || ':cleanup') OR substr(run.id, 1, length(?1) + 1) = ?1 || '/')`;

/** The runs of a journal. */
export class RunTable {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get(id: string): RunRow | undefined {
    const row = this.#database.one('SELECT * FROM run WHERE id = ?', id);
    return row === undefined ? undefined : read(row);
  }

  insert(run: NewRun): void {
    this.#database.run(
      `INSERT INTO run (id, root, parent, parent_attempt, workflow, protocol, attempt, state, input,
         label, keep_on_failure, expires_in, limit_key, limit_max, executor, generation, created, updated)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      run.id,
      run.root,
      run.parent ?? null,
      run.parentAttempt,
      run.workflow,
      run.protocol,
      run.attempt,
      run.state,
      run.input ?? null,
      run.label,
      Number(run.keepOnFailure),
      run.expiresInMs,
      run.limit?.key ?? null,
      run.limit?.max ?? null,
      run.executor ?? null,
      run.generation,
      run.createdAt,
      run.createdAt,
    );
  }

  /** Starts a run that is over anew, as its next attempt. */
  restart(run: NewRun): void {
    this.#database.run(
      `UPDATE run SET attempt = attempt + 1, parent_attempt = ?, protocol = ?, input = ?, state = ?, outcome = NULL,
         cancel = NULL, output = NULL, error = NULL, keep_on_failure = ?, expires_in = ?, limit_key = ?,
         limit_max = ?, updated = ?, finished = NULL WHERE id = ?`,
      run.parentAttempt,
      run.protocol,
      run.input ?? null,
      run.state,
      Number(run.keepOnFailure),
      run.expiresInMs,
      run.limit?.key ?? null,
      run.limit?.max ?? null,
      run.createdAt,
      run.id,
    );
  }

  setState(id: string, state: RunState, now: number): void {
    this.#database.run('UPDATE run SET state = ?, updated = ? WHERE id = ?', state, now, id);
  }

  /** Settles how the run ends; what is left is its clean-up. */
  settle(
    id: string,
    outcome: RunOutcome,
    output: string | undefined,
    error: string | undefined,
    now: number,
  ): void {
    this.#database.run(
      `UPDATE run SET state = 'CLEANING', outcome = ?, output = ?, error = ?, updated = ? WHERE id = ?`,
      outcome,
      output ?? null,
      error ?? null,
      now,
      id,
    );
  }

  /** Ends the run as it was settled. */
  finish(id: string, error: string | undefined, now: number): void {
    this.#database.run(
      'UPDATE run SET state = outcome, error = ?, updated = ?, finished = ? WHERE id = ?',
      error ?? null,
      now,
      now,
      id,
    );
  }

  /** Asks for the run's cancellation; false when it is too late for that. */
  requestCancel(id: string, reason: string): boolean {
    const sql = `UPDATE run SET cancel = ? WHERE id = ? AND cancel IS NULL AND state IN ('PENDING', 'RUNNING')`;
    return this.#database.run(sql, reason, id) > 0;
  }

  /** The runs that are to be cancelled and are not yet being cleaned up. */
  cancelRequests(): readonly { readonly id: string; readonly reason: string }[] {
    return this.#database
      .all(
        `SELECT id, cancel FROM run WHERE cancel IS NOT NULL AND state IN ('PENDING', 'RUNNING')`,
      )
      .map((row) => ({ id: column.text(row, 'id'), reason: column.text(row, 'cancel') }));
  }

  /** Gives the root, and with it all its tree, to an executor; returns the new generation. */
  claim(root: string, executor: string): number {
    this.#database.run(
      'UPDATE run SET executor = ?, generation = generation + 1 WHERE id = ?',
      executor,
      root,
    );
    // A child takes a place of its limit again when its parent comes to it.
    this.#database.run(
      `UPDATE run SET state = 'PENDING' WHERE root = ? AND state = 'RUNNING' AND limit_key IS NOT NULL`,
      root,
    );
    return this.get(root)?.generation ?? 0;
  }

  /** Whether the lease still holds. */
  holds(lease: Lease): boolean {
    const row = this.get(lease.root);
    return row?.executor === lease.executor && row.generation === lease.generation;
  }

  release(lease: Lease): void {
    if (this.holds(lease))
      this.#database.run('UPDATE run SET executor = NULL WHERE id = ?', lease.root);
  }

  /** The executors of the runs that hold a place of the limit, one entry a run. */
  placeHolders(key: string): readonly (string | undefined)[] {
    return this.#database
      .all(
        `SELECT root.executor FROM run JOIN run AS root ON root.id = run.root
         WHERE run.limit_key = ? AND run.state IN ('RUNNING', 'CLEANING')`,
        key,
      )
      .map((row) => column.optionalText(row, 'executor'));
  }

  /** The run and all below it, clean-ups included, in the order of their making. */
  tree(run: Pick<RunRow, 'id' | 'root'>): readonly RunRow[] {
    const sql = `SELECT * FROM run WHERE ${inTree} ORDER BY created, rowid`;
    return this.#database.all(sql, run.id, run.root).map(read);
  }

  /** The roots in whose tree something isn't over. */
  unfinishedRoots(): readonly RunRow[] {
    const sql = `SELECT * FROM run WHERE id IN (SELECT root FROM run WHERE state NOT IN ${over}) ORDER BY created, rowid`;
    return this.#database.all(sql).map(read);
  }

  list(filter: RunFilter): readonly RunRow[] {
    const wanted = new Set<RunState>(filter.states ?? states);
    return this.#database
      .all('SELECT * FROM run ORDER BY created DESC, rowid DESC')
      .map(read)
      .filter(
        (run) =>
          wanted.has(run.state) &&
          (filter.workflow === undefined || run.workflow === filter.workflow) &&
          (filter.children === true || run.parent === undefined),
      );
  }

  /** The roots whose whole tree was over before `time` and left nothing to remove. */
  prunable(time: number): readonly string[] {
    const sql = `SELECT id FROM run AS top WHERE parent IS NULL
      AND NOT EXISTS (SELECT 1 FROM run WHERE root = top.id AND (state NOT IN ${over} OR finished >= ?))
      AND NOT EXISTS (SELECT 1 FROM ledger WHERE root = top.id AND state IN ('intent', 'created'))`;
    return this.#database.all(sql, time).map((row) => column.text(row, 'id'));
  }

  /** Forgets a root and its tree, except what it kept: sweep must go on knowing that. */
  forget(root: string): void {
    for (const table of ['step', 'signal']) {
      this.#database.run(
        `DELETE FROM ${table} WHERE run IN (SELECT id FROM run WHERE root = ?)`,
        root,
      );
    }
    this.#database.run('DELETE FROM event WHERE root = ?', root);
    this.#database.run(`DELETE FROM ledger WHERE root = ? AND state = 'deleted'`, root);
    this.#database.run('DELETE FROM run WHERE root = ?', root);
  }
}

/** Whose a root run is; each write must still find it so. */
export interface Lease {
  readonly root: string;
  readonly executor: string;
  readonly generation: number;
}

function read(row: Row): RunRow {
  const key = column.optionalText(row, 'limit_key');
  const max = column.optionalInteger(row, 'limit_max');
  return {
    id: column.text(row, 'id'),
    root: column.text(row, 'root'),
    parent: column.optionalText(row, 'parent'),
    parentAttempt: column.integer(row, 'parent_attempt'),
    workflow: column.text(row, 'workflow'),
    protocol: column.integer(row, 'protocol'),
    attempt: column.integer(row, 'attempt'),
    state: column.choice(row, 'state', states),
    outcome: row['outcome'] === null ? undefined : column.choice(row, 'outcome', outcomes),
    cancel: column.optionalText(row, 'cancel'),
    input: column.optionalText(row, 'input'),
    output: column.optionalText(row, 'output'),
    error: column.optionalText(row, 'error'),
    label: column.text(row, 'label'),
    keepOnFailure: column.flag(row, 'keep_on_failure'),
    expiresInMs: column.integer(row, 'expires_in'),
    limit: key === undefined || max === undefined ? undefined : { key, max },
    executor: column.optionalText(row, 'executor'),
    generation: column.integer(row, 'generation'),
    createdAt: column.integer(row, 'created'),
    updatedAt: column.integer(row, 'updated'),
    finishedAt: column.optionalInteger(row, 'finished'),
  };
}
