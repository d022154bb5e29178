import { ImgkitError } from '@imgkit/core';

/** A span of time: a number of milliseconds, or a number with its unit, for example `'30s'` or `'1.5h'`. */
export type Duration = number | `${number}${keyof typeof unitMs}`;

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const form = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/u;

function isUnit(text: string | undefined): text is keyof typeof unitMs {
  return text !== undefined && Object.hasOwn(unitMs, text);
}

/**
 * Turns a {@link Duration} into whole milliseconds.
 *
 * @param value - The duration as the caller wrote it.
 * @param path - Where it stands in the caller's input, for the message.
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` when it is negative, not finite, or has no known unit.
 */
export function parseDuration(value: Duration, path: string): number {
  if (typeof value === 'number') {
    if (Number.isFinite(value) && value >= 0) return Math.round(value);
  } else if (typeof value === 'string') {
    const [, amount, unit] = form.exec(value) ?? [];
    if (isUnit(unit)) return Math.round(Number(amount) * unitMs[unit]);
  }
  throw new ImgkitError('INVALID_ARGUMENT', `${path}: ${JSON.stringify(value)} is not a duration`, {
    hint: "Write milliseconds as a number, or a number with a unit: '250ms', '30s', '5m', '2h', '1d'.",
    data: { path },
  });
}

/** Writes milliseconds the way people read them: `850ms`, `12.3s`, `4m05s`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}m${String(seconds % 60).padStart(2, '0')}s`;
}
