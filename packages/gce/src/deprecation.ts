import type {
  CallOptions,
  Deprecation,
  DeprecationControl,
  DeprecationTraits,
  Image,
} from '@imgkit/core';

import { object, text } from './api/wire.ts';
import type { GceContext } from './context.ts';
import { deprecateImage, readImage } from './images/image-changes.ts';
import { checkDeprecation, deprecationBlock } from './images/image-request.ts';
import { toImage } from './mapping/image.ts';

/**
 * Sets the state of images, natively: Google refuses new use of OBSOLETE and DELETED images. It replaces the whole
 * block each time, and its dates change nothing by themselves.
 */
export class GceDeprecation implements DeprecationControl {
  readonly traits: DeprecationTraits = {
    enforcesObsolete: true,
    nativeReplacement: true,
    nativeDates: true,
    carriesOutDates: false,
  };
  readonly #context: GceContext;

  constructor(context: GceContext) {
    this.#context = context;
  }

  async set(id: string, deprecation: Deprecation, options?: CallOptions): Promise<Image> {
    const context = this.#context;
    const { provider, project } = context;
    return context.call('deprecation.set', id, options, async () => {
      checkDeprecation(deprecation);
      const block = deprecationBlock(provider, deprecation);
      const before = object(await readImage(context, id, options), 'deprecated');
      const fields = ['replacement', 'deprecated', 'obsolete', 'deleted'] as const;
      const same =
        (text(before, 'state') ?? 'ACTIVE') === deprecation.state &&
        fields.every((field) => text(before, field) === block[field]);
      if (!same) await deprecateImage(context, id, deprecation, options);
      return toImage(provider, project, await readImage(context, id, options));
    });
  }
}
