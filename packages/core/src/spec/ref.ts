import { ImgkitError } from './errors.ts';

/** Names one image at one provider. Two refs are the same when {@link Provider.sameId} says so of their ids. */
export interface ImageRef {
  /** The name of the provider, for example `prod`. */
  readonly provider: string;
  /** The cloud's own id, for example `projects/acme/global/images/web-7`. */
  readonly id: string;
}

/**
 * Gives the text form of a ref: `prod:projects/acme/global/images/web-7`.
 *
 * @example
 * ```ts
 * import { formatRef, parseRef } from '@imgkit/core';
 *
 * const ref = parseRef('qemu:projects/default/images/web-1');
 * console.log(ref.provider, formatRef(ref));
 * ```
 */
export function formatRef(ref: ImageRef): string {
  return `${ref.provider}:${ref.id}`;
}

/**
 * Reads the text form of a ref.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` if there is no provider's name before a colon.
 */
export function parseRef(text: string): ImageRef {
  const colon = text.indexOf(':');
  if (colon < 1 || colon === text.length - 1) {
    throw new ImgkitError('INVALID_ARGUMENT', `"${text}" is not a reference to an image`, {
      hint: 'Write the name of the provider, a colon, and the id of the image: qemu:projects/default/images/web-1.',
    });
  }
  return { provider: text.slice(0, colon), id: text.slice(colon + 1) };
}
