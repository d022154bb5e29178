import type { Labels } from '../../spec/labels.ts';
import type { Job } from './job.ts';

/** What every resource of the memory cloud has. */
export interface Row {
  readonly id: string;
  /** Counts all that the cloud ever made: the order of creation. */
  readonly sequence: number;
  readonly project: string;
  readonly name: string;
  readonly idempotencyKey: string | undefined;
  readonly createdAt: string;
  status: string;
  labels: Labels;
  /** What is being done to it, or was done last. */
  job: Job;
}

/** The rows of one kind, of all projects. */
export class Table<R extends Row> {
  readonly #rows = new Map<string, R>();

  get(id: string): R | undefined {
    return this.#rows.get(id);
  }

  add(row: R): R {
    this.#rows.set(row.id, row);
    return row;
  }

  /** Removes exactly this row: not another that has got its id since. */
  remove(row: R): void {
    if (this.#rows.get(row.id) === row) this.#rows.delete(row.id);
  }

  all(test: (row: R) => boolean = () => true): R[] {
    return [...this.#rows.values()].filter(test);
  }

  named(project: string, name: string): R | undefined {
    return this.all((row) => row.project === project && row.name === name)[0];
  }

  keyed(project: string, key: string | undefined): R | undefined {
    if (key === undefined) return undefined;
    return this.all((row) => row.project === project && row.idempotencyKey === key)[0];
  }

  /** One page of rows, newest first, after the one with the sequence number `after`. */
  page(after: number | undefined, size: number, test: (row: R) => boolean): R[] {
    return this.all((row) => (after === undefined || row.sequence < after) && test(row))
      .toSorted((a, b) => b.sequence - a.sequence)
      .slice(0, size);
  }
}

/** Whether `labels` has all of `wanted`, with exactly these values. */
export function hasLabels(labels: Labels, wanted: Labels = {}): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}
