import { ImgkitError } from '../spec/errors.ts';
import type { Executor } from './executor.ts';
import { decode } from './json.ts';
import type { CleanupReport } from './port.ts';
import { recordError } from './recorded-error.ts';
import type { LedgerEntry } from './resource.ts';
import type { RunEventBody } from './run-event.ts';
import { cleanupSuffix } from './run-name.ts';
import type { Lease, NewRun, RunRow, RunTable } from './run-table.ts';
import { undoEntries, undoStrays } from './undo.ts';
import type { UndoLog, UndoTools } from './undo.ts';

/** The name under which clean-up runs are listed. */
const cleanupWorkflow = 'imgkit:cleanup';

/** Who cleans up, and in which run's name. */
export interface CleanupScope {
  readonly executor: Executor;
  readonly lease: Lease;
  /** Aborted when the run is lost; its cancellation must not stop its clean-up. */
  readonly lost: AbortSignal;
  write<T>(work: () => T): T;
  emit(message: string, body: RunEventBody): void;
}

/** The tools of undoing for one run, with a log that is the ledger and the run's events. */
export function undoTools(scope: CleanupScope): UndoTools & { readonly log: UndoLog } {
  const { journal, settings } = scope.executor;
  return {
    ...settings,
    signal: scope.lost,
    log: {
      found: ({ token }, id) => scope.write(() => journal.ledger.created(token, id)),
      removed: ({ token, provider, kind, id }) =>
        scope.write(() => {
          journal.ledger.deleted(token);
          if (id !== undefined)
            scope.emit(`removed ${kind} ${id}`, { type: 'resource-removed', provider, kind, id });
        }),
      left: ({ token, provider, kind, id = 'unknown' }, reason) =>
        scope.write(() => {
          journal.ledger.left(token, reason);
          scope.emit(`${kind} ${id} could not be removed: ${reason}`, {
            type: 'resource-left',
            provider,
            kind,
            id,
            reason,
          });
        }),
    },
  };
}

/**
 * Removes all that a run and its children made and don't keep, in a run of its own, `<id>:cleanup`; then what carries their
 * labels though the ledger doesn't know it. Doing it again does what is left.
 */
export async function cleanUpTree(scope: CleanupScope, target: RunRow): Promise<CleanupReport> {
  const { executor, lease } = scope;
  const { journal, settings } = executor;
  const id = `${target.id}${cleanupSuffix}`;
  const inRun: CleanupScope = {
    executor,
    lease,
    lost: scope.lost,
    write: (work) => scope.write(work),
    emit: (message, body) =>
      executor.emit(lease, { runId: id, at: settings.clock.now(), step: undefined, message, body }),
  };
  scope.write(() => {
    const attempt = begin(journal.runs, id, target, settings.clock.now());
    const body = { type: 'run-started', workflow: cleanupWorkflow, attempt } as const;
    inRun.emit(`cleaning up run "${target.id}"`, body);
  });
  const tree = journal.runs.tree(target);
  const open = journal.ledger.tree(target).filter(isOpen);
  const tools = undoTools(inRun);
  const known = await undoEntries(open, tools, tools.log);
  const labels = new Set(tree.map((run) => run.label));
  const strays = await undoStrays(journal.owner, labels, journal.ledger.tree(target), tools);
  const report: CleanupReport = {
    removed: [...known.removed, ...strays.removed],
    left: [...known.left, ...strays.left],
  };
  scope.write(() => end(inRun, id, report));
  return report;
}

/** What a clean-up run reported, if it came to its end. */
export function cleanupReport(runs: RunTable, target: string): CleanupReport {
  const output = runs.get(`${target}${cleanupSuffix}`)?.output;
  return output === undefined ? { removed: [], left: [] } : decode(output);
}

/** Whether what the entry stands for is still to be removed. */
export function isOpen(entry: LedgerEntry): boolean {
  return entry.state === 'intent' || entry.state === 'created';
}

function begin(runs: RunTable, id: string, target: RunRow, now: number): number {
  const known = runs.get(id);
  const row: NewRun = {
    id,
    root: target.root,
    parent: target.id,
    parentAttempt: target.attempt,
    workflow: cleanupWorkflow,
    protocol: 1,
    attempt: 1,
    state: 'RUNNING',
    input: undefined,
    label: target.label,
    keepOnFailure: false,
    expiresInMs: target.expiresInMs,
    limit: undefined,
    executor: undefined,
    generation: 0,
    createdAt: now,
  };
  if (known === undefined) runs.insert(row);
  else runs.restart(row);
  return (known?.attempt ?? 0) + 1;
}

function end(scope: CleanupScope, id: string, report: CleanupReport): void {
  const { journal, settings } = scope.executor;
  const { left } = report;
  const outcome = left.length === 0 ? 'SUCCEEDED' : 'FAILED';
  const message = `${left.length} resource(s) could not be removed`;
  const error =
    left.length === 0
      ? undefined
      : recordError(new ImgkitError('CLEANUP_FAILED', message, { leftovers: left }));
  journal.runs.settle(id, outcome, JSON.stringify(report), error, settings.clock.now());
  journal.runs.finish(id, error, settings.clock.now());
  const code = error === undefined ? undefined : 'CLEANUP_FAILED';
  const count = `${report.removed.length} resource(s) removed`;
  scope.emit(left.length === 0 ? count : `${count}, ${message}`, {
    type: 'run-finished',
    state: outcome,
    code,
  });
}
