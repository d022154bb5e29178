import { ImgkitError } from '../spec/errors.ts';
import { ownershipLabels } from '../spec/labels.ts';
import { undoTools } from './cleanup.ts';
import type { Acquired, CreateContext, Resource, ResourceLabels } from './resource.ts';
import type { RunExecution } from './run-execution.ts';
import { labelValue } from './run-name.ts';
import { runStep } from './step-run.ts';
import type { StepPlan } from './step-run.ts';
import { remove } from './undo.ts';
import type { AcquireOptions } from './workflow.ts';

/** Makes a resource as a step, with its intent in the ledger before the call and its id after it. */
export function acquireResource<T extends { readonly id: string }>(
  execution: RunExecution,
  resource: Resource<T>,
  plan: Omit<StepPlan<T>, 'begin' | 'fn'> & { readonly options: AcquireOptions },
): Promise<T> {
  const { name: step, token, options } = plan;
  const { provider, kind } = resource;
  const { row, executor } = execution;
  const { ledger } = executor.journal;
  const createdAt = executor.settings.clock.now();
  // An earlier attempt may have made it with the labels that it wrote down.
  const labels = ledger.get(token)?.labels ?? ownLabels(execution, step, createdAt);
  const intent = {
    token,
    rootId: row.root,
    runId: row.id,
    step,
    provider,
    kind,
    labels,
    createdAt,
  };
  return runStep(execution, {
    ...plan,
    begin: () => ledger.intend({ ...intent, keepOnSuccess: options.keepOnSuccess === true }),
    fn: (context) => create(execution, resource, { ...context, labels }),
  });
}

/** Removes an acquired resource, unless that was already done. */
export async function releaseResource(execution: RunExecution, acquired: Acquired): Promise<void> {
  const { token, provider, kind, id } = acquired;
  const { ledger } = execution.executor.journal;
  if (ledger.get(token)?.state === 'deleted') return;
  await remove({ provider, kind, id }, { ...undoTools(execution), signal: execution.signal });
  execution.write(() => {
    ledger.deleted(token);
    execution.emit(`removed ${kind} ${id}`, { type: 'resource-removed', provider, kind, id });
  });
}

/** Keeps an acquired resource beyond its run. */
export function keepResource(execution: RunExecution, acquired: Acquired): void {
  const { token, provider, kind, id } = acquired;
  const { ledger } = execution.executor.journal;
  const state = ledger.get(token)?.state;
  if (state === 'kept') return;
  if (state !== 'created') {
    throw new ImgkitError('FAILED_PRECONDITION', `${kind} ${id} can't be kept: it was removed`, {
      provider,
      resource: id,
    });
  }
  execution.write(() => {
    ledger.kept(token);
    execution.emit(`kept ${kind} ${id}`, { type: 'resource-kept', provider, kind, id });
  });
}

async function create<T extends { readonly id: string }>(
  execution: RunExecution,
  resource: Resource<T>,
  context: CreateContext,
): Promise<T> {
  const { provider, kind } = resource;
  const { token, step } = context;
  const { journal, settings } = execution.executor;
  const value = await resource.create(context);
  const { id } = value;
  if (typeof id !== 'string' || id === '') {
    throw new ImgkitError('PROTOCOL', `the ${kind} was made without an id`, { provider });
  }
  if (execution.isClosed && !execution.lost.aborted) {
    // The run was cancelled and didn't wait for this answer, so nobody else knows the id. Sweep is the second net.
    await settings.remover.remove({ provider, kind, id }).catch(() => undefined);
    return value;
  }
  execution.write(() => {
    journal.ledger.created(token, id);
    execution.emit(`created ${kind} ${id}`, { type: 'resource-created', provider, kind, id }, step);
  });
  const known = journal.ledger.get(token)?.id;
  if (known === id) return value;
  throw new ImgkitError('PROTOCOL', `one token gave ${kind} ${known} and then ${id}`, {
    provider,
    resource: id,
    hint: 'The create of a resource must give the same resource for the same token.',
  });
}

function ownLabels({ executor, row }: RunExecution, step: string, now: number): ResourceLabels {
  return {
    [ownershipLabels.run]: row.label,
    [ownershipLabels.owner]: executor.journal.owner,
    [ownershipLabels.expires]: String(Math.ceil((now + row.expiresInMs) / 1000)),
    [ownershipLabels.step]: labelValue(step),
  };
}
