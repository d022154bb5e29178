import type {
  CallOptions,
  Deprecation,
  DeprecationControl,
  DeprecationTraits,
  Image,
} from '@imgkit/core';

import { fromDeprecation } from './mapping.ts';
import type { LocalContext } from './resources/context.ts';
import { changeImage } from './resources/image-access.ts';
import { checkDeprecation } from './resources/image-creation.ts';

/**
 * Sets the state of images. OBSOLETE and DELETED are enforced here: no disk, machine or image is made
 * of such an image, whoever asks.
 */
export class QemuDeprecation implements DeprecationControl {
  readonly traits: DeprecationTraits = {
    enforcesObsolete: true,
    nativeReplacement: true,
    nativeDates: true,
    carriesOutDates: false,
  };
  readonly #context: LocalContext;

  constructor(context: LocalContext) {
    this.#context = context;
  }

  async set(id: string, deprecation: Deprecation, options?: CallOptions): Promise<Image> {
    const context = this.#context;
    return context.call('deprecation.set', id, options, (store) => {
      checkDeprecation(deprecation);
      const stored = fromDeprecation(deprecation, context.provider);
      return changeImage(context, store, id, ({ doc }) => ({ ...doc, deprecation: stored }));
    });
  }
}
