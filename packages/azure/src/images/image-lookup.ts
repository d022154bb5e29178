import type { CallOptions, Image } from '@imgkit/core';

import type { AzureContext } from '../context.ts';
import { noImage, parseImageId } from './image-id.ts';
import { readManagedImage } from './managed-images.ts';
import { readMarketplace } from './marketplace.ts';
import { readPublicVersion } from './public-galleries.ts';
import { readImage } from '../versions/versions.ts';

/** Reads an image, wherever it is. */
export async function findImage(
  context: AzureContext,
  text: string,
  options?: CallOptions,
): Promise<Image> {
  const id = parseImageId(text);
  switch (id?.kind) {
    case 'version':
      return readImage(context, text, options);
    case 'managed':
      return readManagedImage(context, id.id, options);
    case 'shared':
    case 'community':
      return (await readPublicVersion(context, id, options)).image;
    case 'marketplace':
      return readMarketplace(context, id, options);
    case undefined:
      throw noImage(text);
  }
}
