import { ImgkitError, type ErrorDetails } from './errors.ts';

/** All that an error says beside its code and its message. */
export function detailsOf(error: ImgkitError): ErrorDetails {
  return {
    provider: error.provider,
    operation: error.operation,
    resource: error.resource,
    hint: error.hint,
    providerCode: error.providerCode,
    requestId: error.requestId,
    retryAfterMs: error.retryAfterMs,
    token: error.token,
    leftovers: error.leftovers,
    replacement: error.replacement,
    data: error.data,
    cause: error.cause,
  };
}

/**
 * The same error with other details; what `details` leaves out stays.
 *
 * @example
 * ```ts
 * import { ImgkitError, withDetails } from '@imgkit/core';
 *
 * const error = new ImgkitError('NOT_FOUND', 'there is no image "web"', { hint: 'List them.' });
 * throw withDetails(error, { provider: 'prod', operation: 'images.get' });
 * ```
 */
export function withDetails(error: ImgkitError, details: ErrorDetails): ImgkitError {
  return new ImgkitError(error.code, error.message, { ...detailsOf(error), ...details });
}
