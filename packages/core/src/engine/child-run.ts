import { ImgkitError } from '../spec/errors.ts';
import { LeaseLost } from './journal.ts';
import { decode, encode } from './json.ts';
import { recallError } from './recorded-error.ts';
import type { RunExecution } from './run-execution.ts';
import { checkRunId, labelValue } from './run-name.ts';
import { isOver } from './run-table.ts';
import type { NewRun, RunRow } from './run-table.ts';
import { checkInput } from './workflow-input.ts';
import type { ChildHandle, ChildOptions, Workflow } from './workflow.ts';

/** Starts a child run, or goes on with the one that is recorded. */
export async function startChild<I, O>(
  parent: RunExecution,
  workflow: Workflow<I, O>,
  input: I,
  { name, limit }: ChildOptions,
): Promise<ChildHandle<O>> {
  const id = `${parent.row.id}/${name}`;
  checkRunId(id);
  if (limit !== undefined && !(Number.isInteger(limit.max) && limit.max > 0)) {
    throw new ImgkitError(
      'INVALID_ARGUMENT',
      `the limit of child "${name}" must be a whole number above 0`,
    );
  }
  const text = encode(await checkInput(workflow, input), `the input of run "${id}"`);
  const { runs } = parent.executor.journal;
  let isNew = true;
  const row = parent.write(() => {
    const known = runs.get(id);
    const fresh: NewRun = {
      id,
      root: parent.row.root,
      parent: parent.row.id,
      parentAttempt: parent.row.attempt,
      workflow: workflow.name,
      protocol: workflow.protocol,
      attempt: 1,
      state: limit === undefined ? 'RUNNING' : 'PENDING',
      input: text,
      label: labelValue(id),
      keepOnFailure: parent.row.keepOnFailure,
      expiresInMs: parent.row.expiresInMs,
      limit,
      executor: undefined,
      generation: 0,
      createdAt: parent.executor.settings.clock.now(),
    };
    if (known === undefined) runs.insert(fresh);
    else if (isStale(known, fresh)) runs.restart(fresh);
    else {
      assertSame(known, fresh);
      isNew = false;
    }
    const now = runs.get(id);
    if (now === undefined) throw new LeaseLost();
    return now;
  });
  if (!isOver(row.state)) {
    const child = parent.executor.launch(row, parent.lease, workflow, parent);
    parent.children.push(child);
    const { attempt } = row;
    child.emit(`run "${id}" ${isNew ? 'started' : 'resumed'}`, {
      type: isNew ? 'run-started' : 'run-resumed',
      workflow: workflow.name,
      attempt,
    });
  }
  return { id, result: () => childResult<O>(parent, id) };
}

/** Whether a recorded child is of an earlier attempt of its parent, and has no result that still serves. */
function isStale(known: RunRow, fresh: NewRun): boolean {
  if (known.parentAttempt === fresh.parentAttempt || !isOver(known.state)) return false;
  return !(
    known.state === 'SUCCEEDED' &&
    known.workflow === fresh.workflow &&
    known.protocol === fresh.protocol &&
    known.input === fresh.input
  );
}

function assertSame(known: RunRow, fresh: NewRun): void {
  const same =
    known.parent === fresh.parent &&
    known.workflow === fresh.workflow &&
    known.protocol === fresh.protocol &&
    known.input === fresh.input;
  if (same) return;
  throw new ImgkitError(
    'FAILED_PRECONDITION',
    `run "${known.id}" is recorded with another workflow, protocol or input`,
    {
      resource: known.id,
      hint: 'A workflow must ask for the same children each time; raise its protocol number when it changes.',
    },
  );
}

async function childResult<O>(parent: RunExecution, id: string): Promise<O> {
  await Promise.race([parent.executor.active(id)?.done, parent.aborted]);
  parent.signal.throwIfAborted();
  const row = parent.executor.journal.runs.get(id);
  if (row?.state === 'SUCCEEDED') return decode<O>(row.output);
  if (row?.error !== undefined && isOver(row.state)) throw recallError(row.error);
  throw new LeaseLost();
}
