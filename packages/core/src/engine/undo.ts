import { ownershipLabels } from '../spec/labels.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { Leftover } from '../spec/errors.ts';
import type { Clock } from './clock.ts';
import type { CleanupReport } from './port.ts';
import { messageOf } from './recorded-error.ts';
import type { LedgerEntry, RemovableResource, ResourceRemover } from './resource.ts';
import { retrying } from './retry.ts';
import type { RetryPolicy } from './workflow.ts';

/** What undoing needs. */
export interface UndoTools {
  readonly remover: ResourceRemover;
  readonly clock: Clock;
  readonly retry: RetryPolicy;
  /** How long to wait for what was in flight, in milliseconds. */
  readonly settleMs: number;
  readonly signal: AbortSignal;
}

/** Where it is written down what became of each entry, at once. */
export interface UndoLog {
  found(entry: LedgerEntry, id: string): void;
  removed(entry: LedgerEntry): void;
  left(entry: LedgerEntry, reason: string): void;
}

/**
 * Removes what ledger entries stand for, the newest first. One that can't be removed doesn't stop the rest.
 * An entry without an id is looked up by its token; since its creation may still be under way, it is looked up
 * again after a while before it counts as never made.
 */
export async function undoEntries(
  entries: readonly LedgerEntry[],
  tools: UndoTools,
  log: UndoLog,
): Promise<CleanupReport> {
  const removed: RemovableResource[] = [];
  const left: Leftover[] = [];

  /** Whether it is known what became of the entry. */
  async function undo(entry: LedgerEntry): Promise<boolean> {
    try {
      const id = entry.id ?? (await find(entry, tools));
      if (id === undefined) return false;
      if (entry.id === undefined) log.found(entry, id);
      const resource = { provider: entry.provider, kind: entry.kind, id };
      await remove(resource, tools);
      log.removed(entry);
      removed.push(resource);
    } catch (error) {
      tools.signal.throwIfAborted();
      const reason = messageOf(error);
      log.left(entry, reason);
      left.push({
        provider: entry.provider,
        kind: entry.kind,
        id: entry.id ?? entry.token,
        reason,
      });
    }
    return true;
  }

  const unresolved: LedgerEntry[] = [];
  for (const entry of newestFirst(entries)) {
    if (!(await undo(entry))) unresolved.push(entry);
  }
  if (unresolved.length > 0) {
    await tools.clock.sleep(tools.settleMs, tools.signal);
    for (const entry of unresolved) {
      if (!(await undo(entry))) log.removed(entry);
    }
  }
  return { removed, left };
}

/** Entries in the order in which they are to be removed. */
function newestFirst(entries: readonly LedgerEntry[]): readonly LedgerEntry[] {
  return entries.toReversed();
}

/**
 * Removes what carries the label of one of the runs in `runLabels` though the ledger doesn't know it: what a lost answer left.
 * Nothing that an entry of `ledger` keeps is touched.
 */
export async function undoStrays(
  owner: string,
  runLabels: ReadonlySet<string>,
  ledger: readonly LedgerEntry[],
  tools: UndoTools,
): Promise<CleanupReport> {
  const removed: RemovableResource[] = [];
  const left: Leftover[] = [];
  const known = ledger.filter((entry) => entry.state !== 'deleted');
  for (const provider of new Set(ledger.map((entry) => entry.provider))) {
    try {
      const strays: RemovableResource[] = [];
      const owned = tools.remover.listOwned(
        { provider, labels: { [ownershipLabels.owner]: owner } },
        { signal: tools.signal },
      );
      for await (const resource of owned) {
        const run = resource.labels[ownershipLabels.run];
        const ours = resource.labels[ownershipLabels.owner] === owner;
        if (!ours || run === undefined || !runLabels.has(run)) continue;
        if (known.some((entry) => stands(entry, resource))) continue;
        strays.push({ provider: resource.provider, kind: resource.kind, id: resource.id });
      }
      for (const stray of strays) {
        try {
          await remove(stray, tools);
          removed.push(stray);
        } catch (error) {
          tools.signal.throwIfAborted();
          left.push({ ...stray, reason: messageOf(error) });
        }
      }
    } catch (error) {
      tools.signal.throwIfAborted();
      const reason = `what is labelled as ours can't be listed: ${messageOf(error)}`;
      left.push({ provider, kind: 'any', id: 'unknown', reason });
    }
  }
  return { removed, left };
}

/** Whether `resource` is what the entry stands for, or was made by the same step. */
export function stands(
  entry: LedgerEntry,
  resource: RemovableResource & { readonly labels: Readonly<Record<string, string>> },
): boolean {
  if (entry.provider !== resource.provider) return false;
  if (entry.kind === resource.kind && entry.id === resource.id) return true;
  // A provider may show one resource under two ids; what a kept step made is never taken for a stray.
  return (
    entry.state === 'kept' &&
    entry.labels[ownershipLabels.run] === resource.labels[ownershipLabels.run] &&
    entry.labels[ownershipLabels.step] === resource.labels[ownershipLabels.step]
  );
}

function find(entry: LedgerEntry, { remover, retry, clock, signal }: UndoTools) {
  return retrying(() => remover.find(entry, { signal }), retry, clock, signal);
}

/** Removes one resource; one that is already gone is a success. */
export async function remove(
  resource: RemovableResource,
  { remover, retry, clock, signal }: UndoTools,
): Promise<void> {
  try {
    await retrying(() => remover.remove(resource, { signal }), retry, clock, signal);
  } catch (error) {
    if (!ImgkitError.is(error, 'NOT_FOUND')) throw error;
  }
}
