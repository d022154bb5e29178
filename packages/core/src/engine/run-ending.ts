import { ImgkitError } from '../spec/errors.ts';
import type { CleanupReport, RunOutcome } from './port.ts';
import { withDetails } from '../spec/error-details.ts';
import { recallError } from './recorded-error.ts';
import type { RunRow } from './run-table.ts';

/** How the workflow's own code ended. */
export interface Ending {
  readonly outcome: RunOutcome;
  readonly output?: string | undefined;
  readonly error?: ImgkitError | undefined;
}

/** The error of a run that is cancelled. */
export function cancellation(reason: string): ImgkitError {
  return new ImgkitError('CANCELLED', `the run was cancelled: ${reason}`);
}

/** The run's error, with what could not be removed. */
export function withLeftovers(row: RunRow, { left }: CleanupReport): ImgkitError | undefined {
  const error = row.error === undefined ? undefined : recallError(row.error);
  if (left.length === 0) return error;
  if (error !== undefined) {
    return withDetails(error, { leftovers: [...(error.leftovers ?? []), ...left] });
  }
  return new ImgkitError(
    'CLEANUP_FAILED',
    `run "${row.id}" left ${left.length} resource(s) behind`,
    {
      leftovers: left,
      hint: 'Clean the run up again when its provider answers.',
    },
  );
}

/** What is told of the run's end. */
export function endMessage(row: RunRow, error: ImgkitError | undefined): string {
  const what = `run "${row.id}" ${(row.outcome ?? 'FAILED').toLowerCase()}`;
  return error === undefined ? what : `${what}: ${error.message}`;
}
