import { column } from '../local/column.ts';
import type { Database, Row } from '../local/database.ts';
import { decode } from './json.ts';
import type { RunEvent, RunEventBody } from './run-event.ts';
import { inTree } from './run-table.ts';
import type { RunRow } from './run-table.ts';

/** An event that has no number yet. */
export interface NewEvent {
  readonly runId: string;
  readonly at: number;
  readonly step: string | undefined;
  readonly message: string;
  readonly body: RunEventBody;
}

/** How many events are read at a time. */
const pageSize = 500;

/** What happened to the runs of a journal. */
export class EventTable {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  append(root: string, events: readonly NewEvent[]): void {
    const last = this.#database.one('SELECT max(seq) AS seq FROM event WHERE root = ?', root);
    let seq = (last === undefined ? undefined : column.optionalInteger(last, 'seq')) ?? 0;
    for (const event of events) {
      seq += 1;
      this.#database.run(
        'INSERT INTO event (root, seq, run, at, step, message, body) VALUES (?, ?, ?, ?, ?, ?, ?)',
        root,
        seq,
        event.runId,
        event.at,
        event.step ?? null,
        event.message,
        JSON.stringify(event.body),
      );
    }
  }

  /** The next events of a run and all below it, from number `from`; empty when there are none yet. */
  page(run: Pick<RunRow, 'id' | 'root'>, from: number): readonly RunEvent[] {
    const sql = `SELECT * FROM event WHERE ${inTree.replaceAll('run.id', 'event.run')} AND seq >= ?3
      ORDER BY seq LIMIT ${pageSize}`;
    return this.#database.all(sql, run.id, run.root, from).map(read);
  }
}

function read(row: Row): RunEvent {
  const body: RunEventBody = decode(column.text(row, 'body'));
  return {
    seq: column.integer(row, 'seq'),
    at: column.integer(row, 'at'),
    runId: column.text(row, 'run'),
    step: column.optionalText(row, 'step'),
    message: column.text(row, 'message'),
    ...body,
  };
}
