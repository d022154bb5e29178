import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from './clock.ts';
import { column } from '../local/column.ts';
import { openJournalFile } from './journal-file.ts';
import type { Database } from '../local/database.ts';
import { EventTable } from './event-table.ts';
import { ExecutorTable } from './executor-table.ts';
import { LedgerTable } from './ledger-table.ts';
import type { ProcessTable } from '../local/process-identity.ts';
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

  /** @param owner - The installation's id, where it is known from before this journal. */
  constructor(database: Database, clock: Clock, processes: ProcessTable, owner = newOwner()) {
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
        owner,
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

/**
 * Opens the journal in `directory`; see {@link openJournalFile}. The installation's id is kept beside it: should the journal be lost, what its runs have
 * made is still known as ours, and sweep finds it.
 */
export async function openJournal(
  directory: string,
  clock: Clock,
  processes: ProcessTable,
): Promise<Journal> {
  const database = await openJournalFile(directory);
  try {
    const file = join(directory, 'owner');
    const kept = await readOwner(file);
    const journal = new Journal(database, clock, processes, kept);
    // A file that was half written when we died is not read as an id, and written again.
    if (journal.owner !== kept) await writeFile(file, `${journal.owner}\n`, { mode: 0o600 });
    return journal;
  } catch (error) {
    database.close();
    throw error;
  }
}

function newOwner(): string {
  return `i${randomBytes(8).toString('hex')}`;
}

async function readOwner(file: string): Promise<string | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return /^i[0-9a-f]{16}$/.exec(text.trim())?.[0];
}
