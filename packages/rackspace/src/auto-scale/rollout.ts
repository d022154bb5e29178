import { ImgkitError, type OperationControl, type RolloutRequest } from '@imgkit/core';

import { findServer } from '../instances/server-state.ts';
import type { CloudContext } from '../resources/context.ts';
import { invalid } from '../resources/rules.ts';
import type { AutoScale, GroupState, ScalingGroup } from './auto-scale.ts';
import { readNote, withNote, type GroupChange } from './group-note.ts';
import { membersOf } from './group-view.ts';

/** How far a group may be from its size while its servers are replaced. */
export interface RolloutBounds {
  readonly maxSurge: number;
  readonly maxUnavailable: number;
  /** How many servers are replaced; all without. */
  readonly canary?: number | undefined;
}

/** @throws `INVALID_ARGUMENT` for bounds that allow no progress. */
export function checkBounds(request: Omit<RolloutRequest, 'fleet' | 'template'>): RolloutBounds {
  const { maxSurge = 1, maxUnavailable = 0, canary } = request;
  for (const [what, count] of Object.entries({ maxSurge, maxUnavailable, canary: canary ?? 0 }))
    checkCount(what, count);
  if (maxSurge === 0 && maxUnavailable === 0)
    throw invalid(
      'no machine may be missing, and none be too many',
      'Give maxSurge or maxUnavailable.',
    );
  return { maxSurge, maxUnavailable, canary };
}

/** @throws `INVALID_ARGUMENT` unless it is a whole number of machines. */
export function checkCount(what: string, count: number): void {
  if (Number.isSafeInteger(count) && count >= 0) return;
  throw invalid(`${what} can't be ${count}`, 'Give a whole number, 0 or more.');
}

/** Changes the size of a group by its bounds, which no cooldown holds up; they are put back around the new size. */
export async function resizeGroup(
  { context, scale, control }: RolloutParts,
  id: string,
  size: number,
): Promise<void> {
  const { signal } = control;
  const { groupConfiguration: before } = await scale.get(id, { signal });
  const { minEntities: least, maxEntities: most } = before;
  await scale.configure(id, { ...before, minEntities: size, maxEntities: size }, { signal });
  await settled(context, scale, id, size, control);
  if (least === most) return; // it was as large as its bounds, and is so again
  const bounds = { minEntities: Math.min(least, size), maxEntities: Math.max(most, size) };
  await scale.configure(id, { ...before, ...bounds }, { signal });
}

/** What a rollout needs. */
export interface RolloutParts {
  readonly context: CloudContext;
  readonly scale: AutoScale;
  readonly control: OperationControl;
}

/**
 * Replaces the servers of a group that aren't of its launch configuration. Where more than the size may stand, an old
 * server goes only when a new one RUNs: the group's lower bound is raised for that, and put back before.
 */
export async function replaceMembers(
  parts: RolloutParts,
  id: string,
  change: GroupChange,
  { maxSurge, maxUnavailable, canary }: RolloutBounds,
): Promise<void> {
  const { context, scale, control } = parts;
  const { signal, progress } = control;
  const { size } = change;
  const step = maxSurge > 0 ? maxSurge : maxUnavailable;
  // One that broke off may have left the group larger.
  const { desiredCapacity: standing } = await scale.state(id, { signal });
  await settled(context, scale, id, Math.max(standing, size), control);
  for (;;) {
    const group = await scale.get(id, { signal });
    const members = await membersOf(context, group, { signal });
    const old = members.filter(({ isCurrent }) => !isCurrent);
    const done = members.length - old.length;
    // What a rollout that broke off has made above the size already takes the place of as many.
    const surplus = Math.max(0, group.state.desiredCapacity - size);
    const wanted = canary === undefined ? old.length : canary - done;
    const left = Math.min(old.length, Math.max(wanted, surplus));
    if (left <= 0) {
      if (surplus > 0) await bound(parts, group, change, { capped: true });
      await settled(context, scale, id, size, control);
      return;
    }
    progress(
      `${left} of ${size} machines are to be replaced`,
      Math.min(1, done / Math.max(size, 1)),
    );
    const batch = old.slice(0, Math.min(left, Math.max(step, surplus)));
    const isSurging = maxSurge > 0 || surplus > 0;
    if (isSurging) {
      const room = Math.max(batch.length, surplus);
      await bound(parts, group, change, { least: size + room, room });
      await settled(context, scale, id, size + room, control);
      // The upper bound stays: the group would choose what goes.
      await bound(parts, group, change, { room });
    }
    for (const member of batch)
      await scale.removeServer(id, member.id, { replace: !isSurging, signal });
    for (const member of batch)
      await context.poll(
        async () =>
          (await findServer(context, member.id, { signal })) === undefined ? true : undefined,
        signal,
      );
    const { desiredCapacity: desired } = await scale.state(id, { signal });
    await settled(context, scale, id, Math.max(desired, size), control);
  }
}

/** How the bounds of a group are moved. */
export interface MovedBounds {
  /** The least size that is forced on it; what it had before the change otherwise. */
  readonly least?: number | undefined;
  /** How many servers it may have above its size. */
  readonly room?: number | undefined;
  /** Whether it may have no more than its size, whatever it could before. */
  readonly capped?: boolean | undefined;
  /** Whether the change is over. */
  readonly isOver?: boolean | undefined;
}

/** Moves the bounds of a group, and notes the change that they are moved for. What else it says stays. */
export async function bound(
  { scale, control }: RolloutParts,
  { id }: Pick<ScalingGroup, 'id'>,
  change: GroupChange,
  { least, room = 0, capped = false, isOver = false }: MovedBounds = {},
): Promise<void> {
  const { signal } = control;
  const { groupConfiguration: now } = await scale.get(id, { signal });
  const note = { ...readNote(now), change: isOver ? undefined : change };
  await scale.configure(
    id,
    {
      ...now,
      minEntities: least ?? Math.min(change.least, change.size),
      maxEntities: capped ? change.size : Math.max(change.most, change.size + room),
      metadata: withNote(now.metadata, note),
    },
    { signal },
  );
}

/** How long a group may say that something failed before that is believed: it tries again by itself. */
const faultMs = 10_000;

/**
 * Waits until a group has so many servers, all of which run.
 *
 * @throws `OPERATION_FAILED` with the cloud's reason.
 */
export async function settled(
  context: CloudContext,
  scale: AutoScale,
  id: string,
  size: number,
  { signal, progress }: Pick<OperationControl, 'signal' | 'progress'>,
): Promise<GroupState> {
  let since: number | undefined;
  let told: number | undefined;
  return context.poll(async () => {
    const state = await scale.state(id, { signal });
    const { active, desiredCapacity: desired, errors = [] } = state;
    if (active.length === size && desired === size) return state;
    if (active.length !== told) progress(`${active.length} of ${size} machines run`);
    told = active.length;
    if (errors.length === 0) since = undefined;
    else since ??= context.clock.now();
    if (since !== undefined && context.clock.now() - since >= faultMs)
      throw new ImgkitError(
        'OPERATION_FAILED',
        `group "${id}" gets no machines: ${errors[0]?.message}`,
        {
          resource: id,
          hint: 'See its state in the cloud’s own tools; roll it back when its new machines are to blame.',
        },
      );
    return undefined;
  }, signal);
}
