import { ownedKinds } from '../spec/capabilities/owned.ts';
import { column } from '../local/column.ts';
import type { Database, Row } from '../local/database.ts';
import { decode } from './json.ts';
import type { LedgerEntry, RemovableResource } from './resource.ts';
import { inTree } from './run-table.ts';
import type { RunRow } from './run-table.ts';

/** What is known of a resource before it is made. */
export type Intent = Omit<LedgerEntry, 'id' | 'state' | 'leftReason'>;

/** What runs have made. An entry goes `intent`, `created`, then `kept` or `deleted`. */
export class LedgerTable {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get(token: string): LedgerEntry | undefined {
    const row = this.#database.one('SELECT * FROM ledger WHERE token = ?', token);
    return row === undefined ? undefined : read(row);
  }

  /** Notes, before the call, what is about to be made. Noting it again changes nothing. */
  intend(intent: Intent): void {
    this.#database.run(
      `INSERT INTO ledger (token, root, run, step, provider, kind, state, keep_on_success, labels, created)
       VALUES (?, ?, ?, ?, ?, ?, 'intent', ?, ?, ?) ON CONFLICT (token) DO NOTHING`,
      intent.token,
      intent.rootId,
      intent.runId,
      intent.step,
      intent.provider,
      intent.kind,
      Number(intent.keepOnSuccess),
      JSON.stringify(intent.labels),
      intent.createdAt,
    );
  }

  /** Notes the id of what was made. */
  created(token: string, id: string): void {
    this.#database.run(
      `UPDATE ledger SET id = ?, state = 'created' WHERE token = ? AND state = 'intent'`,
      id,
      token,
    );
  }

  kept(token: string): void {
    this.#database.run(
      `UPDATE ledger SET state = 'kept' WHERE token = ? AND state = 'created'`,
      token,
    );
  }

  deleted(token: string): void {
    this.#database.run(
      `UPDATE ledger SET state = 'deleted', left_reason = NULL WHERE token = ?`,
      token,
    );
  }

  /** Notes why something could not be removed. */
  left(token: string, reason: string): void {
    this.#database.run('UPDATE ledger SET left_reason = ? WHERE token = ?', reason, token);
  }

  /** Keeps what the run wanted kept when it succeeds; returns it. */
  keepOnSuccess(run: string): readonly LedgerEntry[] {
    const rows = this.#database.all(
      `UPDATE ledger SET state = 'kept' WHERE run = ? AND keep_on_success = 1 AND state = 'created' RETURNING *`,
      run,
    );
    return rows.map(read);
  }

  /** Notes that a resource is gone, however it went. */
  gone(resource: RemovableResource): void {
    this.#database.run(
      `UPDATE ledger SET state = 'deleted', left_reason = NULL WHERE provider = ? AND kind = ? AND id = ?`,
      resource.provider,
      resource.kind,
      resource.id,
    );
  }

  /** The entries of a run and all below it, in the order of their making. */
  tree(run: Pick<RunRow, 'id' | 'root'>): readonly LedgerEntry[] {
    const sql = `SELECT * FROM ledger WHERE ${inTree.replaceAll('run.id', 'ledger.run')} ORDER BY seq`;
    return this.#database.all(sql, run.id, run.root).map(read);
  }

  all(): readonly LedgerEntry[] {
    return this.#database.all('SELECT * FROM ledger ORDER BY seq').map(read);
  }
}

function read(row: Row): LedgerEntry {
  return {
    token: column.text(row, 'token'),
    rootId: column.text(row, 'root'),
    runId: column.text(row, 'run'),
    step: column.text(row, 'step'),
    provider: column.text(row, 'provider'),
    kind: column.choice(row, 'kind', ownedKinds),
    id: column.optionalText(row, 'id'),
    state: column.choice(row, 'state', ['intent', 'created', 'kept', 'deleted']),
    keepOnSuccess: column.flag(row, 'keep_on_success'),
    labels: decode(column.text(row, 'labels')),
    leftReason: column.optionalText(row, 'left_reason'),
    createdAt: column.integer(row, 'created'),
  };
}
