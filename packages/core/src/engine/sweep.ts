import { ownedKinds } from '../spec/capabilities/owned.ts';
import type { OwnedResource } from '../spec/capabilities/owned.ts';
import type { CallOptions } from '../spec/call-options.ts';
import type { Leftover } from '../spec/errors.ts';
import { ImgkitError } from '../spec/errors.ts';
import { ownershipLabels } from '../spec/labels.ts';
import type { Clock } from './clock.ts';
import type { Engine, RunInfo } from './port.ts';
import { messageOf } from './recorded-error.ts';
import type { LedgerEntry, RemovableResource, ResourceRemover } from './resource.ts';
import { stands } from './undo.ts';

/** How long after its expiry a resource of an unknown run is still left alone, in milliseconds: clocks differ. */
const graceMs = 60 * 60 * 1000;

/** What sweep would do with one resource, and why. */
export interface SweepItem {
  readonly resource: RemovableResource & OwnedResource;
  readonly action: 'remove' | 'keep';
  /** For example `run "bake-7" FAILED`. */
  readonly reason: string;
}

/** All that carries this installation's label, in the order in which it is removed: instances before disks, disks before snapshots and images. */
export type SweepPlan = readonly SweepItem[];

/** How to sweep. */
export interface SweepOptions extends CallOptions {
  /** Only say what would be done. Default: true. */
  readonly dryRun?: boolean | undefined;
  /** Leave alone what is younger than this, in milliseconds. Default: 0. */
  readonly olderThanMs?: number | undefined;
  /** Carry out this plan, made by a dry run before, and nothing else. What must no longer be removed by now is left. */
  readonly plan?: SweepPlan | undefined;
}

/** What a sweep did. */
export interface SweepReport {
  readonly dryRun: boolean;
  readonly plan: SweepPlan;
  readonly removed: readonly RemovableResource[];
  /** What could not be removed, and why. */
  readonly left: readonly Leftover[];
}

/** What sweep needs to know. */
export interface SweepTools {
  readonly engine: Engine;
  readonly remover: ResourceRemover;
  readonly clock: Clock;
}

/** Plans a sweep and, unless it is a dry run, carries out exactly that plan. */
export async function sweep(tools: SweepTools, options: SweepOptions = {}): Promise<SweepReport> {
  const { dryRun = true, signal } = options;
  const plan = options.plan ?? (await planSweep(tools, options));
  const removed: RemovableResource[] = [];
  const left: Leftover[] = [];
  if (dryRun) return { dryRun, plan, removed, left };
  // The plan may be old: a run may have been started again, or have kept something, since.
  const judge = await judgement(tools, options);
  for (const { resource, action } of inOrder(plan)) {
    if (action === 'keep') continue;
    signal?.throwIfAborted();
    const { provider, kind, id } = resource;
    const now = judge(resource);
    if (now.action === 'keep') {
      left.push({ provider, kind, id, reason: now.reason });
      continue;
    }
    try {
      await tools.remover.remove({ provider, kind, id }, { signal });
    } catch (error) {
      if (!ImgkitError.is(error, 'NOT_FOUND')) {
        left.push({ provider, kind, id, reason: messageOf(error) });
        continue;
      }
    }
    await tools.engine.noteRemoved({ provider, kind, id }, { signal });
    removed.push({ provider, kind, id });
  }
  return { dryRun, plan, removed, left };
}

async function planSweep(tools: SweepTools, options: SweepOptions): Promise<SweepPlan> {
  const { signal } = options;
  const judge = await judgement(tools, options);
  const owner = await tools.engine.owner({ signal });
  const items: SweepItem[] = [];
  const labels = { [ownershipLabels.owner]: owner };
  for await (const resource of tools.remover.listOwned({ labels }, { signal })) {
    // A provider that lists too much must not lead to the removal of what is another's.
    if (resource.labels[ownershipLabels.owner] !== owner) continue;
    items.push({ resource, ...judge(resource) });
  }
  return inOrder(items);
}

function inOrder(plan: SweepPlan): SweepPlan {
  return plan.toSorted(
    (a, b) => ownedKinds.indexOf(a.resource.kind) - ownedKinds.indexOf(b.resource.kind),
  );
}

type Judgement = Pick<SweepItem, 'action' | 'reason'>;

/** Says of a resource, by the journal as it is now, whether it may be removed. In doubt it is kept. */
async function judgement(
  { engine, clock }: SweepTools,
  { olderThanMs = 0, signal }: SweepOptions,
): Promise<(resource: SweepItem['resource']) => Judgement> {
  const owner = await engine.owner({ signal });
  const runs = new Map<string, RunInfo>();
  for await (const run of engine.list({ children: true, signal })) {
    // A clean-up run has the label of its run; while either is at work, nothing of it is swept.
    const known = runs.get(run.label);
    if (known === undefined || isOver(known)) runs.set(run.label, run);
  }
  const kept: LedgerEntry[] = [];
  for await (const entry of engine.ledger({ signal })) {
    if (entry.state === 'kept') kept.push(entry);
  }
  const now = clock.now();
  return (resource) => {
    const label = resource.labels[ownershipLabels.run];
    if (resource.labels[ownershipLabels.owner] !== owner) return keep('it is not ours');
    if (label === undefined) return keep('it names no run');
    if (kept.some((entry) => stands(entry, resource))) return keep('its run kept it');
    const age = now - Date.parse(resource.createdAt);
    if (olderThanMs > 0 && !(age > olderThanMs)) return keep('it is not old enough');
    const run = runs.get(label);
    const expires = Number(resource.labels[ownershipLabels.expires] ?? Number.NaN) * 1000;
    const expired = now > expires + graceMs;
    if (run === undefined) {
      return expired
        ? { action: 'remove', reason: `nobody knows its run "${label}", and it has expired` }
        : keep(`nobody knows its run "${label}", but it has not expired`);
    }
    if (!isOver(run)) return keep(`run "${run.id}" is ${run.state}`);
    if (run.state === 'FAILED' && run.keepOnFailure && !expired) {
      return keep(`run "${run.id}" FAILED and left it for a look`);
    }
    return { action: 'remove', reason: `run "${run.id}" ${run.state}` };
  };
}

function keep(reason: string): Judgement {
  return { action: 'keep', reason };
}

function isOver(run: RunInfo): boolean {
  return run.finishedAt !== undefined;
}
