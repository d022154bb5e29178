import { ImgkitError } from '@imgkit/core';

/** The error of a call that can't be meant so. */
export function invalid(message: string, hint: string): ImgkitError {
  return new ImgkitError('INVALID_ARGUMENT', message, { hint });
}
