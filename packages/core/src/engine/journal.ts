import { randomBytes } from 'node:crypto';
import type { Clock } from './clock.ts';
import { column, openDatabase } from './database.ts';
import type { Database } from './database.ts';
import { EventTable } from './event-table.ts';
import { ExecutorTable } from './executor-table.ts';
import { LedgerTable } from './ledger-table.ts';
import type { ProcessTable } from './process-identity.ts';
import { RunTable } from './run-table.ts';
import type { Lease } from './run-table.ts';
import { SignalTable } from './signal-table.ts';
import { StepTable } from './step-table.ts';

/** Thrown when this executor has lost its run, or the journal is closed: what was to be written must not be. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

/** All that an embedded engine knows, in one file that processes of one machine share. */
export class Journal {
  readonly database: Database;
  readonly runs: RunTable;
  readonly steps: StepTable;
  readonly ledger: LedgerTable;
  readonly events: EventTable;
  readonly signals: SignalTable;
  readonly executors: ExecutorTable;
  /** The installation's id. */
  readonly owner: string;

  constructor(database: Database, clock: Clock, processes: ProcessTable) {
    this.database = database;
    this.runs = new RunTable(database);
    this.steps = new StepTable(database);
    this.ledger = new LedgerTable(database);
    this.events = new EventTable(database);
    this.signals = new SignalTable(database);
    this.executors = new ExecutorTable(database, clock, processes);
    this.owner = database.transaction(() => {
      this.executors.beat();
      database.run(
        `INSERT INTO meta (key, value) VALUES ('owner', ?) ON CONFLICT DO NOTHING`,
        `i${randomBytes(8).toString('hex')}`,
      );
      const row = database.one(`SELECT value FROM meta WHERE key = 'owner'`);
      return row === undefined ? '' : column.text(row, 'value');
    });
  }

  /**
   * Writes as the holder of a lease.
   *
   * @throws {@link LeaseLost} and writes nothing, when another executor has taken the run over.
   */
  write<T>(lease: Lease, work: () => T): T {
    if (!this.database.isOpen) throw new LeaseLost();
    return this.database.transaction(() => {
      this.assertHeld(lease);
      return work();
    });
  }

  protected assertHeld(lease: Lease): void {
    if (!this.runs.holds(lease)) throw new LeaseLost();
  }
}

/** Opens the journal in `directory`; see {@link openDatabase}. */
export async function openJournal(
  directory: string,
  clock: Clock,
  processes: ProcessTable,
): Promise<Journal> {
  return new Journal(await openDatabase(directory), clock, processes);
}
