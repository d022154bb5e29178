import { ImgkitError } from '@imgkit/core';

import { number, object, text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { bootsFrom } from './fleet-image.ts';
import { rolloutOf, type RolloutNote } from './fleet-note.ts';
import type { Member } from './fleet-view.ts';

/** How many machines a fleet has: during a rollout, a scale set's own size isn't that of the fleet. */
export function sizeOf(set: WireObject): number {
  return rolloutOf(set)?.size ?? number(object(set, 'sku'), 'capacity') ?? 0;
}

/** Whether a rollout that goes on is to be carried out as another one. */
export function sameBounds(
  standing: RolloutNote,
  { surge, unavailable, goal }: RolloutNote,
): boolean {
  return (
    standing.paused !== true &&
    standing.surge === surge &&
    standing.unavailable === unavailable &&
    standing.goal === goal
  );
}

/** Whether a machine is of an image, and of this version where that is the latest one. */
export function isOf(
  context: AzureContext,
  { reference }: Member,
  wanted: WireObject,
  exact: string | undefined,
): boolean {
  if (!bootsFrom(context, reference, wanted)) return false;
  return exact === undefined || text(reference, 'exactVersion') === exact;
}

/** Says that imgkit's own rollout has to end first. */
export function rolloutGoesOn(id: string): ImgkitError {
  return new ImgkitError('FAILED_PRECONDITION', `a rollout of fleet "${id}" goes on`, {
    resource: id,
    hint: 'Wait for its end, go on with its token, or roll it back.',
  });
}

/** Says that Azure's own upgrade has to end first. */
export function upgradeGoesOn(id: string): ImgkitError {
  return new ImgkitError('FAILED_PRECONDITION', `a rolling upgrade of fleet "${id}" goes on`, {
    resource: id,
    hint: 'Wait for its end, cancel it, or roll it back.',
  });
}
