import type { CreateImageRequest } from '@imgkit/core';

import type { GlanceImage } from '../glance/glance-image.ts';
import { isOurs, properties, scheduleMark } from '../mapping.ts';
import type { CloudContext } from './context.ts';
import { changeImage, type Properties } from './image-access.ts';
import { draftProperties, hiddenAs } from './image-body.ts';

/** An image that the cloud has made of a server or a volume. */
export interface CloudMade {
  readonly request: CreateImageRequest;
  /** The digest of its idempotency key. */
  readonly key: string;
  /** What else it is to have, or not. */
  readonly more?: Properties | undefined;
}

/** What an image has of the server that the image it goes back to was made of. */
const ofServer =
  /^(?:instance_uuid|boot_roles|base_image_ref|image_type|image_location|image_state|user_id|owner_(?!specified).*|signature_verified)$/;

/** Takes off what came with the source's own image, and puts on what didn't fit into the first call. */
export async function cleanedImage(
  context: CloudContext,
  id: string,
  { request, key, more = {} }: CloudMade,
  signal: AbortSignal,
): Promise<GlanceImage> {
  return changeImage(
    context,
    id,
    async (image) => {
      if (!image[properties.unfinished]) return {};
      const parent = image[properties.parent];
      const drafted = draftProperties(request, context.provider, {
        parent: typeof parent === 'string' && parent !== '' ? parent : undefined,
      });
      // The mark of scheduled images would have the cloud's own clean-up delete this one.
      const stale = Object.keys(image).filter(
        (name) =>
          (isOurs(name) && name !== properties.copy) ||
          name === properties.description ||
          name === scheduleMark,
      );
      return {
        ...Object.fromEntries(stale.map((name) => [name, undefined])),
        ...drafted,
        [properties.key]: key,
        ...(await hiddenAs(context, request, signal)),
        ...more,
      };
    },
    { signal },
  );
}

/** Whether a property tells of a server, and not of what is on a disk. */
export function tellsOfServer(property: string): boolean {
  return ofServer.test(property);
}
