/** A machine of a fleet, as far as a rollout cares. */
export interface RolloutMember {
  readonly id: string;
  /** Whether it is of the template the fleet goes to. */
  readonly target: boolean;
  readonly running: boolean;
}

/** What a fleet is to become, and how far it may be from its size on the way. */
export interface RolloutGoal {
  readonly size: number;
  readonly maxSurge: number;
  readonly maxUnavailable: number;
  /** Replaces only so many machines; all, when it is not given. */
  readonly canary?: number | undefined;
}

/** What to do next: add machines of the target template, remove these machines, or nothing more. */
export type RolloutStep =
  | { readonly kind: 'add'; readonly count: number }
  | { readonly kind: 'remove'; readonly ids: readonly string[] }
  | { readonly kind: 'done' };

/**
 * Finds the next step from what stands now, and from nothing else: so a rollout can be paused, and
 * taken over by another process, at any moment. Pure.
 *
 * Machines that don't run are replaced like old ones, and go first. An old machine that runs goes
 * only when enough others do.
 *
 * @example
 * ```ts
 * import { nextRolloutStep } from '@imgkit/core';
 *
 * const members = [{ id: 'web-1', target: false, running: true }];
 * const step = nextRolloutStep(members, { size: 1, maxSurge: 1, maxUnavailable: 0 });
 * console.log(step); // { kind: 'add', count: 1 }: web-1 goes when its replacement runs
 * ```
 */
export function nextRolloutStep(members: readonly RolloutMember[], goal: RolloutGoal): RolloutStep {
  const { size, maxSurge, maxUnavailable, canary = size } = goal;
  const dead = members.filter(({ running }) => !running);
  if (dead.length > 0) return remove(dead, dead.length);

  const current = members.filter(({ target }) => target);
  const old = members.filter(({ target }) => !target);
  // What is missing altogether can only be made of the target template.
  const wanted = Math.min(size, Math.max(canary, current.length, size - old.length));
  const missing = wanted - current.length;
  const room = size + maxSurge - members.length;
  if (missing > 0 && room > 0) return { kind: 'add', count: Math.min(missing, room) };

  const excess = old.length - (size - wanted);
  const spare = members.length - (size - maxUnavailable);
  if (excess > 0 && spare > 0) return remove(old, Math.min(excess, spare));
  return missing < 0 ? remove(current, -missing) : { kind: 'done' };
}

function remove(members: readonly RolloutMember[], count: number): RolloutStep {
  return { kind: 'remove', ids: members.slice(0, count).map(({ id }) => id) };
}
