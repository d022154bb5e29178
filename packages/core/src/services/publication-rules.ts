import { ImgkitError } from '../spec/errors.ts';
import type { Image } from '../spec/image.ts';
import { formatRef, type ImageRef } from '../spec/ref.ts';
import { nameOf } from './image-target.ts';

/**
 * Gives the family that an image shall be published to.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` if nobody says which.
 */
export function familyToPublish(image: Image, given: string | undefined): string {
  const family = given ?? image.family;
  if (family !== undefined) return family;
  throw new ImgkitError('INVALID_ARGUMENT', `${nameOf(image)} is staged for no family`, {
    provider: image.ref.provider,
    operation: 'families.publish',
    resource: image.ref.id,
    hint: 'Say to which family it is published: { family: … }.',
  });
}

/**
 * Checks that an image may be published to a family.
 *
 * @throws {@link ImgkitError} with `FAILED_PRECONDITION` if it isn't READY and ACTIVE, or is published in another.
 */
export function checkPublishable(image: Image, family: string): void {
  const { state } = image.deprecation;
  const trouble =
    image.status !== 'READY'
      ? `is ${image.status}, not READY`
      : state !== 'ACTIVE'
        ? `is ${state}, not ACTIVE`
        : image.published && image.family !== family
          ? `is published in family "${image.family ?? ''}"`
          : undefined;
  if (trouble === undefined) return;
  throw new ImgkitError('FAILED_PRECONDITION', `${nameOf(image)} ${trouble}`, {
    provider: image.ref.provider,
    operation: 'families.publish',
    resource: image.ref.id,
    hint:
      state !== 'ACTIVE'
        ? 'Make it ACTIVE first with deprecation.reactivate, if it shall be used again.'
        : image.status === 'READY'
          ? 'Withdraw it there first with families.withdraw.'
          : 'Publish it once it is READY.',
  });
}

/** What a rollback says that finds nothing to roll back, or something else than it was asked to. */
export function notTheLast(
  provider: string,
  family: string,
  undo: string | undefined,
  last: { readonly image: ImageRef } | undefined,
): ImgkitError {
  const details = { provider, operation: 'families.rollback', resource: family };
  if (last === undefined) {
    const message = `family "${family}" of provider "${provider}" has no publication to roll back`;
    return new ImgkitError('FAILED_PRECONDITION', message, {
      ...details,
      hint: 'Only what families.publish did, and is not rolled back yet, can be.',
    });
  }
  const message = `publication "${undo ?? ''}" isn't the last one of family "${family}"`;
  return new ImgkitError('FAILED_PRECONDITION', message, {
    ...details,
    hint: `The last one published ${formatRef(last.image)}: roll that back first.`,
  });
}
