import { ImgkitError, type CallOptions } from '@imgkit/core';

import type { AzureContext } from '../context.ts';
import { ended } from '../versions/definitions.ts';
import { formatId } from '../resources/resource-id.ts';
import { latestUpgrade, locateSet, upgradeCode } from './fleet-view.ts';

/**
 * Ends a rolling upgrade of Azure's after the batch it is at, and waits for that.
 *
 * @throws {@link ImgkitError} with `FAILED_PRECONDITION` if there is none.
 */
export async function cancelUpgrade(
  context: AzureContext,
  id: string,
  options: CallOptions = {},
): Promise<void> {
  const target = formatId(locateSet(id));
  if (!(await isUpgrading(context, target, options)))
    throw new ImgkitError('FAILED_PRECONDITION', `fleet "${id}" has no rollout`, {
      resource: id,
      hint: 'Only what goes on can be cancelled.',
    });
  try {
    const { operation } = await context.client.act(
      target,
      'rollingUpgrades/cancel',
      undefined,
      options,
    );
    await ended(context, operation, options);
  } catch (error) {
    // It may have come to its end meanwhile.
    if (!ImgkitError.is(error, 'FAILED_PRECONDITION')) throw error;
  }
  while (await isUpgrading(context, target, options))
    await context.clock.sleep(500, options.signal);
}

/** Whether a rolling upgrade of Azure's goes on. */
export async function isUpgrading(
  context: AzureContext,
  id: string,
  options?: CallOptions,
): Promise<boolean> {
  const code = upgradeCode(await latestUpgrade(context, id, options));
  return code === 'RollingForward' || code === 'RollingBack';
}
