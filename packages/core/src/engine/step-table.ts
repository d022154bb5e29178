import { column } from '../local/column.ts';
import type { Database, Row } from '../local/database.ts';
import type { StepInfo } from './port.ts';

/** A step as the journal has it; what is JSON is still text. */
export interface StepRow {
  readonly name: string;
  readonly state: StepInfo['state'];
  readonly starts: number;
  readonly failures: number;
  readonly result: string | undefined;
  readonly error: string | undefined;
  readonly heartbeat: string | undefined;
  /** With a timer: when it goes off. */
  readonly due: number | undefined;
  readonly started: number;
  readonly finished: number | undefined;
  readonly unknown: boolean;
}

/** Of which run, in which attempt. */
export interface StepScope {
  readonly run: string;
  readonly attempt: number;
}

/** The steps of a journal's runs. */
export class StepTable {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The steps of one attempt of a run, in the order of their first start. */
  list({ run, attempt }: StepScope): readonly StepRow[] {
    const sql = 'SELECT * FROM step WHERE run = ? AND attempt = ? ORDER BY rowid';
    return this.#database.all(sql, run, attempt).map(read);
  }

  /** Notes one more start; the first also notes `due`. */
  start({ run, attempt }: StepScope, name: string, now: number, due?: number): void {
    this.#database.run(
      `INSERT INTO step (run, attempt, name, state, starts, failures, due, started)
       VALUES (?, ?, ?, 'RUNNING', 1, 0, ?, ?)
       ON CONFLICT (run, attempt, name) DO UPDATE SET starts = starts + 1`,
      run,
      attempt,
      name,
      due ?? null,
      now,
    );
  }

  succeed(
    { run, attempt }: StepScope,
    name: string,
    result: string | undefined,
    now: number,
  ): void {
    this.#database.run(
      `UPDATE step SET state = 'SUCCEEDED', result = ?, finished = ? WHERE run = ? AND attempt = ? AND name = ?`,
      result ?? null,
      now,
      run,
      attempt,
      name,
    );
  }

  /** Notes a failure: the last one, when `now` is given. */
  fail({ run, attempt }: StepScope, name: string, error: string, now?: number): void {
    this.#database.run(
      `UPDATE step SET failures = failures + 1, error = ?, finished = ?, state = ?
       WHERE run = ? AND attempt = ? AND name = ?`,
      error,
      now ?? null,
      now === undefined ? 'RUNNING' : 'FAILED',
      run,
      attempt,
      name,
    );
  }

  heartbeat({ run, attempt }: StepScope, name: string, details: string): void {
    this.#database.run(
      'UPDATE step SET heartbeat = ? WHERE run = ? AND attempt = ? AND name = ?',
      details,
      run,
      attempt,
      name,
    );
  }

  markUnknown({ run, attempt }: StepScope, name: string): void {
    this.#database.run(
      'UPDATE step SET unknown = 1 WHERE run = ? AND attempt = ? AND name = ?',
      run,
      attempt,
      name,
    );
  }
}

function read(row: Row): StepRow {
  return {
    name: column.text(row, 'name'),
    state: column.choice(row, 'state', ['RUNNING', 'SUCCEEDED', 'FAILED']),
    starts: column.integer(row, 'starts'),
    failures: column.integer(row, 'failures'),
    result: column.optionalText(row, 'result'),
    error: column.optionalText(row, 'error'),
    heartbeat: column.optionalText(row, 'heartbeat'),
    due: column.optionalInteger(row, 'due'),
    started: column.integer(row, 'started'),
    finished: column.optionalInteger(row, 'finished'),
    unknown: column.flag(row, 'unknown'),
  };
}
