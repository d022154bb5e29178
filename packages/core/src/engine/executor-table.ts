import { randomUUID } from 'node:crypto';
import type { Clock } from './clock.ts';
import { column } from '../local/column.ts';
import type { Database } from '../local/database.ts';
import type { ProcessTable } from '../local/process-identity.ts';

/** For how long an executor that gives no sign of life keeps its runs, in milliseconds. */
export const leaseMs = 15_000;

/** The engines at work on the journal, and which of them live. */
export class ExecutorTable {
  readonly id = randomUUID();
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #processes: ProcessTable;

  constructor(database: Database, clock: Clock, processes: ProcessTable) {
    this.#database = database;
    this.#clock = clock;
    this.#processes = processes;
  }

  /** Enters this executor, or says that it is still alive. */
  beat(): void {
    const { host, pid, started } = this.#processes.self();
    this.#database.run(
      `INSERT INTO executor (id, host, pid, started, heartbeat) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET heartbeat = excluded.heartbeat`,
      this.id,
      host,
      pid,
      started,
      this.#clock.now(),
    );
  }

  /** Whether `id` may be at work. One whose process is gone is dead at once; one that is silent, after {@link leaseMs}. */
  isAlive(id: string): boolean {
    const row = this.#database.one('SELECT * FROM executor WHERE id = ?', id);
    if (row === undefined) return false;
    const identity = {
      host: column.text(row, 'host'),
      pid: column.integer(row, 'pid'),
      started: column.text(row, 'started'),
    };
    if (this.#processes.isAlive(identity) === false) return false;
    return this.#clock.now() - column.integer(row, 'heartbeat') < leaseMs;
  }

  /** Takes this executor out, and forgets those that died and hold no run. */
  leave(): void {
    this.#database.run('DELETE FROM executor WHERE id = ?', this.id);
    const idle =
      'SELECT id FROM executor WHERE id NOT IN (SELECT executor FROM run WHERE executor IS NOT NULL)';
    for (const row of this.#database.all(idle)) {
      const id = column.text(row, 'id');
      if (!this.isAlive(id)) this.#database.run('DELETE FROM executor WHERE id = ?', id);
    }
  }
}
