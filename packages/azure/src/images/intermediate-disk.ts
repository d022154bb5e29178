import { ifThere, ImgkitError, type CallOptions, type Labels } from '@imgkit/core';

import type { AzureContext } from '../context.ts';
import { ended } from '../versions/definitions.ts';
import type { DiskOfImage } from './disk-images.ts';
import { isBusy, ownOf, statusOf } from '../mapping.ts';
import { toTags } from '../resources/tags.ts';

const type = 'Microsoft.Compute/disks';

/** The disk that stands between an image of the marketplace and what is made of it: by the key of the creation. */
function intermediateId(context: AzureContext, key: string): string {
  return context.id(type, `imgkit-${key.slice(0, 32)}`);
}

/** Makes it once for a key, with the labels of what it is for; gives its id. */
export async function makeIntermediateDisk(
  context: AzureContext,
  { creationData, plan }: DiskOfImage,
  { key, labels }: { readonly key: string; readonly labels: Labels | undefined },
  options: CallOptions,
): Promise<string> {
  const { client, clock, settings } = context;
  const id = intermediateId(context, key);
  const body = {
    location: settings.location,
    tags: toTags(labels, { key }),
    sku: { name: 'StandardSSD_LRS' },
    creationData,
    ...(plan === undefined ? {} : { purchasePlan: plan }),
  };
  if ((await ifThere(() => client.get(id, options))) === undefined)
    await ended(context, await client.put(id, body, options), options);
  for (;;) {
    const seen = await client.get(id, options);
    if (ownOf(seen).key !== key)
      throw new ImgkitError('ALREADY_EXISTS', `the disk ${id} was not made by this call`, {
        resource: id,
        hint: 'It has the name of a disk that imgkit makes for a while: remove it.',
      });
    if (statusOf(seen) === 'READY') return id;
    if (!isBusy(seen))
      throw new ImgkitError('OPERATION_FAILED', `Azure could not make ${id}`, { resource: id });
    await clock.sleep(200, options.signal);
  }
}

/** Removes it; what is gone is gone. */
export async function removeIntermediateDisk(context: AzureContext, key: string): Promise<void> {
  const id = intermediateId(context, key);
  await ended(context, await context.client.delete(id, {}), {});
}
