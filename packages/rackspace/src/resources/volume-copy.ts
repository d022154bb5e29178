import type { CallOptions } from '@imgkit/core';

import { findStored, removeStored } from '../volumes/volume-access.ts';
import { volumeKind } from '../volumes/volume-kind.ts';
import type { CloudContext } from './context.ts';

/** Deletes the volume that an image was made of, when the cloud reads it no more. One that is gone is a success. */
export async function removeCopy(
  context: CloudContext,
  id: string,
  options: CallOptions = {},
): Promise<void> {
  await context.poll(async () => {
    const volume = await findStored(context, volumeKind, id, options);
    return volume?.status === 'uploading' ? undefined : true;
  }, options.signal);
  await removeStored(context, volumeKind, id, options);
}
