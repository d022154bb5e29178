import { ImgkitError } from '@imgkit/core';

import { object, type WireObject } from '../api/wire.ts';
import { isLeaving, isReady, type Member } from './fleet-view.ts';

const hint =
  'Roll back, or roll out another image; launch one machine of it by itself and read its console.';

/**
 * The error about machines that aren't as they should be: how, and which.
 *
 * @param reason - What Azure says, or what is wrong in words.
 */
export function failedMachines(
  reason: ImgkitError | string,
  members: readonly Member[],
  upgrade: WireObject | undefined,
  resource: string,
): ImgkitError {
  const cause = typeof reason === 'string' ? undefined : reason;
  const message = typeof reason === 'string' ? reason : reason.message;
  const named = /First failed instance ID is: (\d+)/.exec(message)?.[1];
  const machines = members
    .filter((member) => !isLeaving(member) && (!isReady(member) || member.number === named))
    .map(({ id, state, healthy }) => ({ instance: id, state, healthy }));
  const progress = object(upgrade, 'progress');
  return new ImgkitError(cause?.code ?? 'OPERATION_FAILED', message, {
    resource,
    providerCode: cause?.providerCode,
    requestId: cause?.requestId,
    hint: cause?.hint ?? hint,
    data: { machines, ...(progress === undefined ? {} : { progress }) },
    cause,
  });
}
