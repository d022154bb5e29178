import type {
  CallOptions,
  Deprecation,
  DeprecationControl,
  DeprecationTraits,
  Image,
} from '@imgkit/core';

import { fromDeprecation, toImage } from './mapping.ts';
import type { CloudContext } from './resources/context.ts';
import { changeImage, knownImage } from './resources/image-access.ts';
import { enforce, forbidsDeactivation } from './resources/image-state.ts';
import { checkDeprecation } from './resources/rules.ts';

/**
 * Sets the state of images: whatever isn't ACTIVE is hidden from the lists, and what is OBSOLETE or
 * DELETED is deactivated, so that the cloud makes no server of it, whoever asks.
 */
export class RackspaceDeprecation implements DeprecationControl {
  readonly #context: CloudContext;

  constructor(context: CloudContext) {
    this.#context = context;
  }

  /** Whether the cloud enforces OBSOLETE is its policy: it is believed to, until it was seen to refuse. */
  get traits(): DeprecationTraits {
    return {
      enforcesObsolete: !forbidsDeactivation(this.#context),
      nativeReplacement: false,
      nativeDates: false,
      carriesOutDates: false,
    };
  }

  async set(id: string, deprecation: Deprecation, options?: CallOptions): Promise<Image> {
    const context = this.#context;
    return context.call('deprecation.set', id, options, async () => {
      checkDeprecation(deprecation);
      const hides = await context.glance.canHide(options);
      const changed = await changeImage(
        context,
        id,
        () => ({
          ...fromDeprecation(deprecation, context.provider),
          ...(hides && { os_hidden: deprecation.state !== 'ACTIVE' }),
        }),
        options,
      );
      // Last, so that what imgkit itself refuses never lags behind the cloud.
      await enforce(context, changed, deprecation.state, options);
      return toImage(await knownImage(context, id, options), context);
    });
  }
}
