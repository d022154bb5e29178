import { nearNames } from '../near-names.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { Image } from '../spec/image.ts';
import { formatRef } from '../spec/ref.ts';
import { nameOf } from './image-target.ts';

const namePattern = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` for a name that no channel can have. */
export function checkChannelName(name: string): void {
  if (namePattern.test(name)) return;
  throw new ImgkitError('INVALID_ARGUMENT', `"${name}" can't name a channel`, {
    resource: name,
    hint: 'Use up to 63 lower case letters, digits, dots, dashes and underscores.',
  });
}

/** @throws {@link ImgkitError} if a channel of the family must not point to the image. */
export function checkChannelTarget(image: Image, provider: string, family: string): void {
  const { state, replacement } = image.deprecation;
  const details = { provider, operation: 'channels.set', resource: image.ref.id };
  if (state === 'OBSOLETE' || state === 'DELETED') {
    const code = state === 'OBSOLETE' ? 'IMAGE_OBSOLETE' : 'IMAGE_DELETED';
    throw new ImgkitError(code, `${nameOf(image)} is ${state}: no channel may point to it`, {
      ...details,
      replacement: replacement === undefined ? undefined : formatRef(replacement),
    });
  }
  const trouble =
    image.ref.provider !== provider
      ? `is of provider "${image.ref.provider}", not "${provider}"`
      : image.family !== family
        ? `is not of family "${family}"`
        : image.status !== 'READY'
          ? `is ${image.status}, not READY`
          : undefined;
  if (trouble === undefined) return;
  throw new ImgkitError('FAILED_PRECONDITION', `${nameOf(image)} ${trouble}`, {
    ...details,
    hint: 'A channel points to a READY image of its family.',
  });
}

/** @throws {@link ImgkitError} with `NOT_FOUND`, naming the channels that are there. */
export function missingChannel(
  provider: string,
  family: string,
  name: string,
  others: readonly string[],
): never {
  const alike = nearNames(name, others);
  throw new ImgkitError('NOT_FOUND', `family "${family}" has no channel "${name}"`, {
    provider,
    resource: name,
    hint:
      alike.length > 0
        ? `Did you mean: ${alike.join(', ')}?`
        : `Its channels are: ${others.join(', ') || 'none'}.`,
  });
}

/** What a roll-back says that has nowhere to go. */
export function nothingBefore(provider: string, family: string, name: string): ImgkitError {
  return new ImgkitError(
    'FAILED_PRECONDITION',
    `channel "${name}" of family "${family}" has nothing to roll back to`,
    { provider, resource: name, hint: 'It never pointed to anything else.' },
  );
}
