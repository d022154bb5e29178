import type { Json } from '../spec/call-options.ts';
import type { Journal } from './journal.ts';
import { decode } from './json.ts';
import type { RunDetail, RunInfo, StepInfo } from './port.ts';
import { recallError } from './recorded-error.ts';
import { cleanupSuffix } from './run-name.ts';
import { isOver } from './run-table.ts';
import type { RunRow } from './run-table.ts';
import type { StepRow } from './step-table.ts';

/** Tells of runs, as the journal has them at this moment. */
export class RunReport {
  readonly #journal: Journal;
  readonly #alive = new Map<string, boolean>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  info(row: RunRow): RunInfo {
    return {
      id: row.id,
      rootId: row.root,
      parentId: row.parent,
      workflow: row.workflow,
      protocol: row.protocol,
      attempt: row.attempt,
      state: row.state,
      active: !isOver(row.state) && this.#isWorkedOn(row),
      label: row.label,
      keepOnFailure: row.keepOnFailure,
      input: decode<Json | undefined>(row.input),
      output: decode<Json | undefined>(row.output),
      error: row.error === undefined ? undefined : recallError(row.error),
      createdAt: row.createdAt,
      updatedAt: row.updatedAt,
      finishedAt: row.finishedAt,
    };
  }

  detail(row: RunRow): RunDetail {
    const { runs, steps, ledger } = this.#journal;
    return {
      ...this.info(row),
      steps: steps.list({ run: row.id, attempt: row.attempt }).map(stepInfo),
      ledger: ledger.tree(row),
      children: runs
        .tree(row)
        .filter((run) => run.parent === row.id && !run.id.endsWith(cleanupSuffix))
        .map((run) => this.info(run)),
    };
  }

  #isWorkedOn(row: RunRow): boolean {
    const executor =
      row.parent === undefined ? row.executor : this.#journal.runs.get(row.root)?.executor;
    if (executor === undefined) return false;
    const known = this.#alive.get(executor) ?? this.#journal.executors.isAlive(executor);
    this.#alive.set(executor, known);
    return known;
  }
}

function stepInfo(step: StepRow): StepInfo {
  return {
    name: step.name,
    state: step.state,
    attempts: step.starts,
    result: decode<Json | undefined>(step.result),
    error: step.error === undefined ? undefined : recallError(step.error),
    heartbeat: decode<Json | undefined>(step.heartbeat),
    startedAt: step.started,
    finishedAt: step.finished,
    unknown: step.unknown,
  };
}
