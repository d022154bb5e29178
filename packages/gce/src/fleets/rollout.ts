import { isDeepStrictEqual } from 'node:util';

import { ImgkitError, type OperationControl, type RolloutRequest } from '@imgkit/core';

import { number, object, text, type WireObject } from '../api/wire.ts';
import type { GceContext } from '../context.ts';
import { operationError } from '../errors.ts';
import { readOptions } from '../resources/provider-options.ts';
import { rolloutOptions } from './fleet-options.ts';
import { readGroup, readMembers } from './fleet-view.ts';
import {
  failuresOf,
  isLeaving,
  isPaused,
  isQuiet,
  isSettled,
  targetTemplate,
  versionsOf,
  zonesOf,
  type ManagedInstance,
} from './group-state.ts';

/** How long machines may fail to come up before the wait for them ends, in milliseconds: stockouts may pass. */
const patienceMs = 60_000;
const firstPollMs = 200;
const longestPollMs = 10_000;
/** From how many machines on a bound may be a part of the group. */
const leastForPercent = 10;

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` for what is no number of machines. */
export function checkCount(count: number): void {
  if (Number.isSafeInteger(count) && count >= 0) return;
  throw invalid(
    `${count} is not a number of machines`,
    'Give a whole number that is not negative.',
  );
}

/**
 * How a group replaces its machines.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for bounds that allow no progress, or that Google doesn't take.
 * @see https://cloud.google.com/compute/docs/instance-groups/updating-migs
 */
export function toUpdatePolicy(
  request: Pick<RolloutRequest, 'maxSurge' | 'maxUnavailable' | 'canary' | 'providerOptions'>,
  group: WireObject,
): WireObject {
  const options = readOptions(rolloutOptions, request.providerOptions, 'rollouts');
  for (const count of [request.maxSurge, request.maxUnavailable, request.canary]) {
    if (count !== undefined) checkCount(count);
  }
  const { minimalAction = 'REPLACE', replacementMethod = 'SUBSTITUTE' } = options;
  const zones = zonesOf(group).length;
  // Regional groups take no fewer than one a zone.
  const usual = replacementMethod === 'RECREATE' ? 0 : isRegional(group) ? zones : 1;
  const maxSurge = bound(group, 'maxSurge', request.maxSurge ?? usual, options.maxSurgePercent);
  const maxUnavailable = bound(
    group,
    'maxUnavailable',
    request.maxUnavailable ?? (replacementMethod === 'RECREATE' ? zones : 0),
    options.maxUnavailablePercent,
  );
  if (isZero(maxSurge) && isZero(maxUnavailable)) {
    throw invalid(
      'maxSurge and maxUnavailable are both 0',
      'Let at least one of them be more: no machine could be replaced.',
    );
  }
  if (replacementMethod === 'RECREATE' && !isZero(maxSurge)) {
    throw invalid(
      'machines that keep their names can’t stand beside the ones they replace',
      'Let maxSurge be 0, or replacementMethod be SUBSTITUTE.',
    );
  }
  return {
    type: 'PROACTIVE',
    minimalAction,
    mostDisruptiveAllowedAction: options.mostDisruptiveAllowedAction ?? 'REPLACE',
    replacementMethod,
    maxSurge,
    maxUnavailable,
  };
}

function bound(
  group: WireObject,
  name: 'maxSurge' | 'maxUnavailable',
  fixed: number,
  percent: number | undefined,
): WireObject {
  if (percent !== undefined) {
    const size = number(group, 'targetSize') ?? 0;
    if (size >= leastForPercent) return { percent };
    throw invalid(
      `${name} can't be a percentage of ${size} machines`,
      `Google takes percentages from ${leastForPercent} machines on: give a number.`,
    );
  }
  const zones = zonesOf(group).length;
  if (!isRegional(group) || fixed === 0 || fixed >= zones) return { fixed };
  throw invalid(
    `${name} is ${fixed}, and the group is in ${zones} zones`,
    `Google takes 0, or at least one a zone, for regional groups: give ${zones} or more.`,
  );
}

/** The policy of a group with another type, as Google takes it: what it calculated is left out. */
export function withType(group: WireObject, type: 'PROACTIVE' | 'OPPORTUNISTIC'): WireObject {
  const policy = object(group, 'updatePolicy') ?? {};
  const asGiven = (name: string): WireObject | undefined => {
    const { calculated: _, ...given } = object(policy, name) ?? {};
    return Object.keys(given).length === 0 ? undefined : given;
  };
  return {
    ...policy,
    type,
    maxSurge: asGiven('maxSurge'),
    maxUnavailable: asGiven('maxUnavailable'),
  };
}

/** Whether a group goes already where the fields would bring it, and in the same manner. */
export function isRollingOut(group: WireObject, fields: WireObject): boolean {
  const policy = withType(group, 'PROACTIVE');
  return (
    !isPaused(group) &&
    isDeepStrictEqual(versionsOf(group), versionsOf(fields)) &&
    Object.entries(object(fields, 'updatePolicy') ?? {}).every(([name, value]) =>
      isDeepStrictEqual(policy[name], value),
    )
  );
}

/** A fleet that is waited for. */
export interface SettlingFleet {
  /** The call that changed it. */
  readonly call: string;
  readonly id: string;
  /** The token with which the waiting can be gone on with, if the cloud gave one. */
  readonly token: () => string | undefined;
}

/**
 * Waits until the machines of a group are as wanted. An answer to the request that changed it says no more than
 * that Google has begun.
 *
 * @throws {@link ImgkitError} with `OPERATION_FAILED` if machines don't come up; `QUOTA_EXCEEDED` if that is why;
 *   `PENDING` when the caller gives up.
 */
export async function waitUntilSettled(
  context: GceContext,
  { call, id, token }: SettlingFleet,
  { signal, progress }: OperationControl,
): Promise<WireObject> {
  const { clock } = context;
  let failingSince: number | undefined;
  let pollMs = firstPollMs;
  let last = -1;
  try {
    for (;;) {
      const group = await readGroup(context, id, { signal });
      // A change of size waits for no rollout that somebody paused.
      const resized = call === 'fleets.resize' && isPaused(group) && isQuiet(group);
      if ((isSettled(group) && !isPaused(group)) || resized) return group;
      const members = await readMembers(context, id, { signal });
      const failures = failuresOf(group, members);
      failingSince = failures.length === 0 ? undefined : (failingSince ?? clock.now());
      if (failingSince !== undefined && clock.now() - failingSince >= patienceMs) {
        throw neverUp(id, failures);
      }
      const done = countDone(group, members);
      const size = number(group, 'targetSize') ?? 0;
      progress(`${done} of ${size} machines are as wanted`, done / Math.max(1, size));
      pollMs = done === last ? Math.min(pollMs * 1.5, longestPollMs) : firstPollMs;
      last = done;
      await clock.sleep(pollMs, signal);
    }
  } catch (error) {
    if (!signal.aborted || (ImgkitError.is(error) && error.code !== 'CANCELLED')) throw error;
    const known = token();
    throw new ImgkitError('PENDING', `${call} goes on in the cloud`, {
      resource: id,
      token: known,
      hint:
        known === undefined
          ? 'Go on waiting with the same call.'
          : 'Go on waiting with provider.resume(token).',
      cause: error,
    });
  }
}

function countDone(group: WireObject, members: readonly ManagedInstance[]): number {
  const target = targetTemplate(group);
  return members.filter(
    (member) => !isLeaving(member) && member.action === 'NONE' && member.template === target,
  ).length;
}

function neverUp(id: string, failures: readonly ManagedInstance[]): ImgkitError {
  const errors = failures.flatMap((member) => member.errors);
  const said = operationError({ error: { errors } });
  const code = ImgkitError.is(said, 'QUOTA_EXCEEDED') ? 'QUOTA_EXCEEDED' : 'OPERATION_FAILED';
  return new ImgkitError(code, `machines don't come up: ${said?.message ?? 'no reason is given'}`, {
    resource: id,
    hint:
      said?.hint ??
      'Roll back, or roll out another template; launch one machine by itself and read its console.',
    providerCode: said?.providerCode,
    data: {
      machines: failures.map((member) => ({
        instance: member.id,
        errors: member.errors.map((error) => ({
          code: text(error, 'code'),
          message: text(error, 'message'),
        })),
      })),
    },
  });
}

function isRegional(group: WireObject): boolean {
  return text(group, 'region') !== undefined;
}

function isZero(count: WireObject): boolean {
  return (number(count, 'fixed') ?? number(count, 'percent') ?? 0) === 0;
}

function invalid(message: string, hint: string): ImgkitError {
  return new ImgkitError('INVALID_ARGUMENT', message, { hint });
}
