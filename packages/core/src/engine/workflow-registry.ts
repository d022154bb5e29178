import { ImgkitError } from '../spec/errors.ts';
import type { RunRow } from './run-table.ts';
import { isOver } from './run-table.ts';
import type { AnyWorkflow } from './workflow.ts';

/** The workflows this program knows, by name and protocol. */
export class WorkflowRegistry {
  readonly #workflows = new Map<string, AnyWorkflow>();

  /** @throws {@link ImgkitError} `ALREADY_EXISTS` when another workflow has the same name and protocol. */
  add(workflow: AnyWorkflow): void {
    const key = `${workflow.name}@${workflow.protocol}`;
    const known = this.#workflows.get(key);
    if (known !== undefined && known !== workflow) {
      throw new ImgkitError(
        'ALREADY_EXISTS',
        `two workflows are called "${workflow.name}" in protocol ${workflow.protocol}`,
        {
          resource: workflow.name,
          hint: 'Define each workflow once, and give what differs as its input.',
        },
      );
    }
    this.#workflows.set(key, workflow);
  }

  /**
   * The workflow of a recorded run; `undefined` when its end needs no code.
   *
   * @throws {@link ImgkitError} `FAILED_PRECONDITION` when this program doesn't have it.
   */
  of(row: RunRow): AnyWorkflow | undefined {
    if (row.state === 'CLEANING' || row.cancel !== undefined || isOver(row.state)) return undefined;
    const workflow = this.#workflows.get(`${row.workflow}@${row.protocol}`);
    if (workflow !== undefined) return workflow;
    const others = [...this.#workflows.values()].filter(({ name }) => name === row.workflow);
    const have =
      others.length === 0
        ? 'this program does not have that workflow'
        : `this program has protocol ${others.map(({ protocol }) => protocol).join(', ')}`;
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      `run "${row.id}" was recorded with protocol ${row.protocol} of workflow "${row.workflow}"; ${have}`,
      { resource: row.id, hint: 'Register the workflow it was recorded with, or cancel the run.' },
    );
  }
}
