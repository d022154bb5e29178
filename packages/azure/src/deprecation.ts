import type {
  CallOptions,
  Deprecation,
  DeprecationControl,
  DeprecationTraits,
  Image,
} from '@imgkit/core';

import type { AzureContext } from './context.ts';
import { checkDeprecation } from './images/image-request.ts';
import { deprecationTags, ownOf } from './mapping.ts';
import { followState } from './sharing/withdrawn-access.ts';
import { toTags } from './resources/tags.ts';
import { lifeOf } from './versions/version-body.ts';
import { changeVersion, locateVersion } from './versions/versions.ts';

/**
 * Sets the state of images. Azure knows none: a version that isn't ACTIVE is kept from being the latest, its end of
 * life is when it is to be OBSOLETE, and the state itself is in tags; all by one PATCH. Azure lets everybody who may
 * read an OBSOLETE version go on using it by its id; `azure({ onObsolete: 'revoke-access' })` takes that leave, too.
 */
export class AzureDeprecation implements DeprecationControl {
  readonly traits: DeprecationTraits = {
    enforcesObsolete: false,
    nativeReplacement: false,
    nativeDates: false,
    carriesOutDates: false,
  };
  readonly #context: AzureContext;

  constructor(context: AzureContext) {
    this.#context = context;
  }

  async set(id: string, deprecation: Deprecation, options?: CallOptions): Promise<Image> {
    const context = this.#context;
    return context.call('deprecation.set', id, options, async () => {
      checkDeprecation(deprecation);
      const image = await changeVersion(
        context,
        id,
        options,
        (native, { name, version, published, publishedAt, labels }) => {
          const kept = {
            ...ownOf(native),
            name,
            version,
            published: published ? publishedAt : undefined,
          };
          const state = deprecationTags(deprecation, context.provider, context.gallery);
          return {
            tags: toTags(labels, { ...kept, ...state }),
            publishingProfile: lifeOf(context, published, deprecation),
          };
        },
      );
      if (context.settings.onObsolete === 'revoke-access')
        await followState(context, locateVersion(id), deprecation.state, options);
      return image;
    });
  }
}
