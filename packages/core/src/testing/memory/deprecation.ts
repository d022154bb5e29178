import type { DeprecationControl } from '../../spec/capabilities/deprecation.ts';
import { ImgkitError } from '../../spec/errors.ts';
import { deprecationStates, type Deprecation } from '../../spec/image.ts';
import type { MemoryContext } from './context.ts';
import { keptReplacement, ownImage, showImage } from './image-access.ts';
import { checkInstant } from './rules.ts';

/** Sets the state of the images of a memory cloud. */
export function memoryDeprecation(context: MemoryContext): DeprecationControl {
  return {
    traits: context.cloud.traits.deprecation,
    set: (id, deprecation, options = {}) =>
      context.call('deprecation.set', id, options, () => {
        const row = ownImage(context, id);
        row.deprecation = keptDeprecation(context, deprecation);
        return showImage(row, context);
      }),
  };
}

/** Checks a deprecation, and gives it as the cloud keeps it. */
export function keptDeprecation(
  context: MemoryContext,
  { state, replacement, dates }: Deprecation,
): Deprecation {
  if (!deprecationStates.includes(state)) {
    throw new ImgkitError('INVALID_ARGUMENT', `"${state}" isn't a state of images`, {
      hint: `Use one of ${deprecationStates.join(', ')}.`,
    });
  }
  for (const key of ['deprecated', 'obsolete', 'deleted'] as const) checkInstant(key, dates?.[key]);
  return {
    state,
    ...(replacement && { replacement: keptReplacement(replacement, context) }),
    ...(dates && { dates: { ...dates } }),
  };
}
