import { createHash } from 'node:crypto';
import { ImgkitError } from '../spec/errors.ts';
import type { RunRow } from './run-table.ts';

/** What the clean-up of a run is called after the run's own id. */
export const cleanupSuffix = ':cleanup';

/** @throws {@link ImgkitError} `INVALID_ARGUMENT` when `id` can't be a run's id. */
export function checkRunId(id: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}$/.test(id) && !id.endsWith(cleanupSuffix)) return;
  throw new ImgkitError('INVALID_ARGUMENT', `${JSON.stringify(id)} can't be the id of a run`, {
    hint: `Use 1 to 200 letters, digits, ".", "_", "-", ":" and "/", the first a letter or digit, and not "${cleanupSuffix}" at the end.`,
  });
}

/**
 * A label value that stands for `name`: lower-case letters, digits and dashes, at most 63. A name that is
 * such a value stands for itself; any other is shortened, with a digest that keeps it apart from others.
 */
export function labelValue(name: string): string {
  if (/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)) return name;
  const readable = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^[^a-z]+|-+$/g, '');
  return `${readable === '' ? 'x' : readable.slice(0, 40)}-${digest(name).slice(0, 16)}`;
}

/** The token of a step: the same for each attempt at it, and for no other step of any run. */
export function stepToken(owner: string, run: RunRow, step: string): string {
  return digest(JSON.stringify([owner, run.root, run.id, run.createdAt, run.attempt, step])).slice(
    0,
    32,
  );
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
