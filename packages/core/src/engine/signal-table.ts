import { column } from '../local/column.ts';
import type { Database } from '../local/database.ts';

/** The signals sent to a journal's runs. */
export class SignalTable {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Stores a signal; one with the same key counts once. */
  send(run: string, topic: string, key: string, payload: string): void {
    this.#database.run(
      'INSERT INTO signal (run, topic, key, payload) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
      run,
      topic,
      key,
      payload,
    );
  }

  /** Takes the oldest one that nobody took yet; returns its payload. */
  take(run: string, topic: string): string | undefined {
    const row = this.#database.one(
      `UPDATE signal SET taken = 1 WHERE seq =
         (SELECT min(seq) FROM signal WHERE run = ? AND topic = ? AND taken = 0) RETURNING payload`,
      run,
      topic,
    );
    return row === undefined ? undefined : column.text(row, 'payload');
  }
}
