import type { CallOptions, Image } from '@imgkit/core';

import { isWireObject, text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { parseImageId } from './image-id.ts';
import { findImage } from './image-lookup.ts';
import { planOf, type AzurePurchasePlan } from './marketplace.ts';

/** How a disk is made of an image. */
export interface DiskOfImage {
  readonly image: Image;
  readonly creationData: WireObject;
  /** What the disk must say that it was bought with. */
  readonly plan?: AzurePurchasePlan | undefined;
}

/** How a disk is made of an image, wherever that is. */
export async function diskOfImage(
  context: AzureContext,
  id: string,
  options?: CallOptions,
): Promise<DiskOfImage> {
  const image = await findImage(context, id, options);
  const kind = parseImageId(image.ref.id)?.kind;
  if (kind === 'marketplace') return diskOfMarketplace(image);
  const reference = { [referenceFields[kind ?? 'version']]: image.ref.id };
  return {
    image,
    creationData: {
      createOption: 'FromImage',
      ...(kind === 'managed'
        ? { imageReference: reference }
        : { galleryImageReference: reference }),
    },
  };
}

const referenceFields = {
  version: 'id',
  managed: 'id',
  shared: 'sharedGalleryImageId',
  community: 'communityGalleryImageId',
} as const;

/** How a disk is made of an image of the marketplace: it is named by its ARM id. */
export function diskOfMarketplace(image: Image): DiskOfImage {
  const native = isWireObject(image.native) ? image.native : {};
  const id = text(native, 'id');
  return {
    image,
    creationData: { createOption: 'FromImage', imageReference: { id } },
    plan: planOf(native, 'plan'),
  };
}
