import {
  ImgkitError,
  type CallOptions,
  type OperationControl,
  type RolloutRequest,
} from '@imgkit/core';

import { number, object, text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { ended } from '../versions/definitions.ts';
import { invalid } from '../images/image-request.ts';
import type { OperationToken } from '../resources/operation-token.ts';
import type { OwnTags } from '../resources/tags.ts';
import { failedMachines } from './fleet-failure.ts';
import { modelOf, rolloutOf, withOwn, type RolloutNote } from './fleet-note.ts';
import { isFresh, isLeaving, isReady, readMembers, readSet, type Member } from './fleet-view.ts';

/** How long new machines may be unwell before the rollout ends, in milliseconds. */
const patienceMs = 600_000;

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` for what is no number of machines. */
export function checkCount(count: number): void {
  if (Number.isSafeInteger(count) && count >= 0) return;
  throw invalid(
    `${count} is not a number of machines`,
    'Give a whole number that is not negative.',
  );
}

/**
 * The bounds of a rollout, as they are noted at the scale set.
 *
 * @param size - How many machines the fleet has.
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for bounds that allow no progress.
 */
export function toNote(
  {
    maxSurge = 1,
    maxUnavailable = 0,
    canary,
  }: Pick<RolloutRequest, 'maxSurge' | 'maxUnavailable' | 'canary'>,
  size: number,
): RolloutNote {
  for (const count of [maxSurge, maxUnavailable, canary ?? 0]) checkCount(count);
  if (maxSurge === 0 && maxUnavailable === 0)
    throw invalid(
      'maxSurge and maxUnavailable are both 0',
      'Let at least one of them be more: no machine could be replaced.',
    );
  const goal = Math.min(canary ?? size, size);
  return { size, surge: maxSurge, unavailable: maxUnavailable, goal };
}

/** What is to be done next. */
type Move =
  | { readonly kind: 'wait' }
  | { readonly kind: 'done' }
  | { readonly kind: 'grow'; readonly capacity: number }
  | { readonly kind: 'remove'; readonly numbers: readonly string[] };

/**
 * What brings the machines nearer to what a rollout wants, within its bounds. It depends on what stands alone: two
 * processes that carry out the same rollout do the same, and none of it twice.
 */
export function nextMove(
  { size, surge, unavailable, goal }: RolloutNote,
  fresh: readonly Member[],
  old: readonly Member[],
): Move {
  const all = [...fresh, ...old];
  const standing = all.filter((member) => !isLeaving(member));
  const ready = standing.filter(isReady).length;
  const staying = old.filter((member) => !isLeaving(member));
  const news = fresh.filter((member) => !isLeaving(member)).length;
  const missing = goal - news;
  const room = size + surge - all.length;
  // While machines go, it isn't sure whether Azure counts them.
  if (missing > 0 && room > 0 && all.length === standing.length)
    return { kind: 'grow', capacity: standing.length + Math.min(room, missing) };
  const unsettled = all.some(({ state }) => state === 'Creating' || state === 'Updating');
  // So many old machines aren't to stay; what somebody else made beyond the goal stays instead of them.
  const surplus = missing > 0 ? staying.length - (size - goal) : standing.length - size;
  // A machine that isn't ready is missing already: it can go whatever the bounds are.
  const idle = staying.filter((member) => !isReady(member));
  const spare = Math.max(0, ready - (size - unavailable));
  const leaving = [...idle, ...staying.filter(isReady).slice(0, spare)].slice(
    0,
    Math.max(0, surplus),
  );
  if (leaving.length > 0) return { kind: 'remove', numbers: leaving.map((one) => one.number) };
  const settled = !unsettled && all.length === standing.length && fresh.every(isReady);
  if (missing > 0 || !settled) return { kind: 'wait' };
  // Somebody may have changed the size meanwhile: fewer are filled up, and what is more stays.
  return standing.length < size ? { kind: 'grow', capacity: size } : { kind: 'done' };
}

/** Carries out the rollout that is noted at a scale set, until it is done; while it is paused, it waits. */
export async function carryOut(
  context: AzureContext,
  token: OperationToken,
  control: OperationControl,
): Promise<void> {
  const { clock } = context;
  const { target } = token;
  let unwellSince: number | undefined;
  await context.wait(control, token, async (options) => {
    for (;;) {
      const set = await readSet(context, target, options);
      const note = rolloutOf(set);
      // Another process has brought it to its end, or rolled something else out.
      if (note === undefined) return true;
      if (note.paused === true) {
        control.progress('the rollout is paused');
        return undefined;
      }
      const members = await readMembers(context, target, options);
      const fresh = members.filter((member) => isFresh(context, set, member));
      const old = members.filter((member) => !fresh.includes(member));
      const done = fresh.filter(isReady).length;
      control.progress(
        `${done} of ${note.goal} machines are new`,
        Math.min(1, done / Math.max(1, note.goal)),
      );
      const unwell = fresh.filter(isUnwell);
      unwellSince = unwell.length === 0 ? undefined : (unwellSince ?? clock.now());
      if (unwell.some(({ state }) => state === 'Failed') || isOver(unwellSince, clock.now()))
        throw failedMachines('new machines aren’t well', unwell, undefined, target);
      const move = nextMove(note, fresh, old);
      if (move.kind === 'wait') return undefined;
      if (move.kind === 'done') {
        // Unless it was paused at this moment: then it is looked at again.
        if (await changeTags(context, target, set, { rollout: undefined }, options)) return true;
        continue;
      }
      await makeMove(context, target, set, move, options);
    }
  });
}

function isUnwell({ state, healthy }: Member): boolean {
  return state === 'Failed' || (state === 'Succeeded' && healthy === false);
}

function isOver(since: number | undefined, now: number): boolean {
  return since !== undefined && now - since >= patienceMs;
}

async function makeMove(
  context: AzureContext,
  id: string,
  set: WireObject,
  move: Extract<Move, { readonly kind: 'grow' | 'remove' }>,
  options: { readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const { client } = context;
  try {
    if (move.kind === 'grow') {
      // A list that was read in pages may lack a machine; whatever it says, none is taken away here.
      if ((number(object(set, 'sku'), 'capacity') ?? 0) >= move.capacity)
        return await context.clock.sleep(200, options.signal);
      const { size: name } = modelOf(set);
      const tier = text(object(set, 'sku'), 'tier');
      const sku = { name, capacity: move.capacity, ...(tier === undefined ? {} : { tier }) };
      await ended(context, await client.patch(id, { sku }, options), options);
      return;
    }
    const { operation } = await client.act(id, 'delete', { instanceIds: move.numbers }, options);
    await ended(context, operation, options);
  } catch (error) {
    // Another process does the same, or a machine is gone already: then it is looked at again.
    if (!isPassed(error)) throw error;
    await context.clock.sleep(200, options.signal);
  }
}

/** Whether an error says only that something else was quicker. */
function isPassed(error: unknown): boolean {
  if (!ImgkitError.is(error)) return false;
  if (error.providerCode === 'OperationPreempted') return true;
  if (error.code === 'FAILED_PRECONDITION') return error.providerCode === 'Conflict';
  return error.code === 'INVALID_ARGUMENT' && error.message.includes('instanceId');
}

/**
 * Changes tags of a scale set that was read, if nobody changed anything meanwhile.
 *
 * @returns whether it did.
 */
export async function changeTags(
  context: AzureContext,
  id: string,
  set: WireObject,
  own: OwnTags,
  options: CallOptions,
): Promise<boolean> {
  const tags = withOwn(set, own);
  const wanted = { ...options, ifMatch: text(set, 'etag') };
  try {
    await ended(context, await context.client.patch(id, { tags }, wanted), options);
  } catch (error) {
    if (ImgkitError.is(error) && error.providerCode === 'PreconditionFailed') return false;
    if (!isPassed(error)) throw error;
  }
  return true;
}
