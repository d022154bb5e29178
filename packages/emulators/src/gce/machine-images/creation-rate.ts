import { OperationFailure } from '../errors.ts';
import type { Stored } from '../state.ts';

/** How often a backup of one source may be made. */
export interface CreationRate {
  /** The least time between two, in ms. */
  readonly intervalMs: number;
  /** How many there may be within {@link windowMs}. */
  readonly burst: number;
  /** In ms. */
  readonly windowMs: number;
}

/**
 * Google's documented rate for machine images. Google may let a short burst pass; this takes the rule at
 * its word, so that who relies on a burst is told.
 *
 * @see https://cloud.google.com/compute/docs/machine-images/create-machine-images
 */
export const machineImageRate: CreationRate = {
  intervalMs: 600_000,
  burst: 6,
  windowMs: 3_600_000,
};

/**
 * Google's documented rate for snapshots: bursts are allowed.
 *
 * @see https://cloud.google.com/compute/docs/disks/create-snapshots
 */
export const snapshotRate: CreationRate = { intervalMs: 0, burst: 6, windowMs: 3_600_000 };

/**
 * How long, in ms, until one more may be made of a source; 0 when it may be made now.
 *
 * @param made - when others were made, in ms since 1970.
 */
export function waitForRate(rate: CreationRate, made: readonly number[], now: number): number {
  const recent = made.filter((at) => now - at < rate.windowMs).toSorted((a, b) => a - b);
  const last = recent.at(-1);
  const first = recent.at(-rate.burst);
  const spaced = last === undefined ? 0 : last + rate.intervalMs - now;
  const burst = recent.length < rate.burst || first === undefined ? 0 : first + rate.windowMs - now;
  return Math.max(0, spaced, burst);
}

const history = new WeakMap<CreationRate, WeakMap<Stored, number[]>>();

/**
 * Counts a backup of a source, or fails its operation.
 *
 * @param link - the backup: `projects/p/global/machineImages/m`.
 * @throws {@link OperationFailure} as Google's operations fail.
 */
export function checkRate(rate: CreationRate, source: Stored, link: string, now: number): void {
  const bySource = history.get(rate) ?? new WeakMap<Stored, number[]>();
  history.set(rate, bySource);
  const made = bySource.get(source) ?? [];
  if (waitForRate(rate, made, now) > 0) {
    const why = 'Too frequent operations from the source resource.';
    const message = `Operation rate exceeded for resource '${link}'. ${why}`;
    throw new OperationFailure('RESOURCE_OPERATION_RATE_EXCEEDED', message, 403);
  }
  bySource.set(source, [...made, now]);
}
