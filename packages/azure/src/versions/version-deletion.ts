import type { OperationControl } from '@imgkit/core';

import { tokenOf, type AzureContext } from '../context.ts';
import { isForMachineImage } from './definitions.ts';
import { noMachineImage, refuseMachineImage } from '../machine-images/machine-image-id.ts';
import type { OperationToken } from '../resources/operation-token.ts';
import { formatId } from '../resources/resource-id.ts';
import { locateVersion, removeEmptied, settledVersion } from './versions.ts';

/** Deletes an image, or a machine image that is a version, with the definition that was there for it alone. */
export async function deleteVersion(
  context: AzureContext,
  call: 'images.delete' | 'machineImages.delete',
  id: string,
  control: OperationControl,
): Promise<void> {
  const target = formatId(locateVersion(id));
  // Azure refuses to delete what it is at work on.
  const standing = await settledVersion(context, target, control);
  if (standing !== undefined) {
    if (call === 'images.delete') refuseMachineImage(standing, target);
    else if (!isForMachineImage(standing)) throw noMachineImage(target);
    const operation = await context.client.delete(target, control);
    if (operation !== undefined) await context.waitFor(control, tokenOf(call, operation, target));
  }
  await removeEmptied(context, target, {});
}

/** Goes on with a deletion of this or another process. */
export async function resumeDeletion(
  context: AzureContext,
  { operation, ...token }: OperationToken,
  control: OperationControl,
): Promise<void> {
  if (operation !== null) await context.waitFor(control, { ...token, operation });
  await removeEmptied(context, token.target, {});
}
