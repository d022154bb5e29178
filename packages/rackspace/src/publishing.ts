import {
  ImgkitError,
  type CallOptions,
  type Image,
  type Publishing,
  type PublishingTraits,
  type PublishRequest,
} from '@imgkit/core';

import { properties, toImage } from './mapping.ts';
import type { CloudContext } from './resources/context.ts';
import { changeImage } from './resources/image-access.ts';
import { publicationInstant } from './resources/image-finish.ts';
import { checkName, checkTexts, familyName } from './resources/rules.ts';

/** Moves images between staged and published: properties of the image, changed together. */
export class RackspacePublishing implements Publishing {
  readonly traits: PublishingTraits = { nativeHead: false };
  readonly #context: CloudContext;

  constructor(context: CloudContext) {
    this.#context = context;
  }

  async publish(id: string, request: PublishRequest, options?: CallOptions): Promise<Image> {
    const { family, version } = request;
    const context = this.#context;
    return context.call('publishing.publish', id, options, async () => {
      checkName('family', family, familyName);
      checkTexts({ version });
      // Alone in the family, so that no two are published at the same instant.
      const changed = await context.locks.alone(`family ${family}`, () =>
        changeImage(
          context,
          id,
          async (native) => {
            const image = toImage(native, context);
            const { status, deprecation } = image;
            if (status !== 'READY' || deprecation.state !== 'ACTIVE')
              throw new ImgkitError(
                'FAILED_PRECONDITION',
                `image "${image.name}" is ${status} and ${deprecation.state}`,
                { resource: id, hint: 'Only an image that is READY and ACTIVE can be published.' },
              );
            const again = image.published && image.family === family;
            const publishedAt = again ? image.publishedAt : undefined;
            return {
              [properties.family]: family,
              [properties.version]: version ?? image.version,
              [properties.published]: 'true',
              [properties.publishedAt]:
                publishedAt ?? (await publicationInstant(context, family, options)),
            };
          },
          options,
        ),
      );
      return toImage(changed, context);
    });
  }

  async withdraw(id: string, options?: CallOptions): Promise<Image> {
    const context = this.#context;
    return context.call('publishing.withdraw', id, options, async () => {
      const changed = await changeImage(
        context,
        id,
        () => ({ [properties.published]: 'false' }),
        options,
      );
      return toImage(changed, context);
    });
  }
}
