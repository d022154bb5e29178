import { ImgkitError } from '@imgkit/core';
import { describe, expect, it } from 'vitest';

import { apiError, isOperationFailure, operationError, readFailure } from './errors.ts';

const payload = Symbol.for('google-gax.rawHttpResponsePayload');

/** An error as Google's client throws it. */
function thrown(status: number | undefined, reason?: string, fields: object = {}): Error {
  const errors = reason === undefined ? [] : [{ reason, message: 'said Google', domain: 'global' }];
  const raw = JSON.stringify({ error: { code: status, message: 'said Google', errors } });
  return Object.assign(new Error('wrapped'), { httpStatusCode: status, [payload]: raw, ...fields });
}

describe('an error of the API', () => {
  it.for([
    [400, 'invalid', 'INVALID_ARGUMENT'],
    [400, 'resourceNotReady', 'UNAVAILABLE'],
    [400, 'resourceInUseByAnotherResource', 'IN_USE'],
    [401, 'authError', 'UNAUTHENTICATED'],
    [403, 'forbidden', 'PERMISSION_DENIED'],
    [403, 'quotaExceeded', 'QUOTA_EXCEEDED'],
    [403, 'rateLimitExceeded', 'RATE_LIMITED'],
    [403, 'RESOURCE_OPERATION_RATE_EXCEEDED', 'RATE_LIMITED'],
    [403, 'accessNotConfigured', 'FAILED_PRECONDITION'],
    [403, 'PERMISSIONS_ERROR', 'PERMISSION_DENIED'],
    [404, 'notFound', 'NOT_FOUND'],
    [408, undefined, 'UNAVAILABLE'],
    [409, undefined, 'ALREADY_EXISTS'],
    [410, undefined, 'NOT_FOUND'],
    [413, undefined, 'INVALID_ARGUMENT'],
    [418, undefined, 'INVALID_ARGUMENT'],
    [409, 'alreadyExists', 'ALREADY_EXISTS'],
    [412, 'conditionNotMet', 'FAILED_PRECONDITION'],
    [429, undefined, 'RATE_LIMITED'],
    [500, 'backendError', 'UNAVAILABLE'],
    [501, undefined, 'UNSUPPORTED'],
    [503, undefined, 'UNAVAILABLE'],
  ] as const)('%i %s is %s', ([status, reason, code]) => {
    const cause = thrown(status, reason);
    const error = apiError(cause);
    expect(error).toMatchObject({ code, message: 'said Google', cause });
    expect(error.providerCode).toBe(reason ?? String(status));
    expect(error.hint).toMatch(/\w+/);
  });

  it('is told by its details first, which are more exact', () => {
    const error = {
      code: 403,
      message: 'too many at once',
      errors: [{ reason: 'quotaExceeded' }],
      details: [{ '@type': 'x', reason: 'CONCURRENT_OPERATIONS_QUOTA_EXCEEDED' }],
    };
    const failed = Object.assign(new Error('x'), { [payload]: JSON.stringify({ error }) });
    expect(apiError(failed).code).toBe('RATE_LIMITED');
  });

  it('without an answer is told by what the transport says', () => {
    expect(apiError(Object.assign(new Error('reset'), { code: 14 })).code).toBe('UNAVAILABLE');
    expect(apiError(Object.assign(new Error('slow'), { code: 4 })).code).toBe('TIMEOUT');
    expect(apiError(new Error('odd')).code).toBe('PROTOCOL');
  });

  it('of Google’s plain HTTP client is read too', () => {
    const data = { error: { code: 403, message: 'no', errors: [{ reason: 'forbidden' }] } };
    const failed = Object.assign(new Error('x'), { status: 403, response: { data } });
    expect(apiError(failed)).toMatchObject({ code: 'PERMISSION_DENIED', message: 'no' });
    const reset = Object.assign(new Error('reset'), { code: 'ECONNRESET' });
    expect(apiError(reset).code).toBe('UNAVAILABLE');
  });

  it('of a proxy is told by its status', () => {
    const html = Object.assign(new Error('<html>'), { httpStatusCode: 502, [payload]: '<html>' });
    expect(apiError(html)).toMatchObject({ code: 'UNAVAILABLE', providerCode: '502' });
    expect(readFailure(html).reasons).toEqual([]);
  });

  it('that is one of ours stays', () => {
    const ours = new ImgkitError('CANCELLED', 'enough');
    expect(apiError(ours)).toBe(ours);
  });
});

describe('an operation', () => {
  it('that went well is no error', () => {
    expect(operationError({ name: 'op', status: 'DONE', error: { errors: [] } })).toBeUndefined();
  });

  it.for([
    ['QUOTA_EXCEEDED', 'QUOTA_EXCEEDED'],
    ['ZONE_RESOURCE_POOL_EXHAUSTED', 'UNAVAILABLE'],
    ['RESOURCE_IN_USE_BY_ANOTHER_RESOURCE', 'IN_USE'],
    ['RESOURCE_NOT_FOUND', 'NOT_FOUND'],
    ['INTERNAL_ERROR', 'OPERATION_FAILED'],
  ] as const)('that failed with %s is %s', ([reason, code]) => {
    const errors = [{ code: reason, message: 'no luck' }];
    const error = operationError({ name: 'op', status: 'DONE', error: { errors } });
    expect(error).toMatchObject({ code, message: 'no luck', providerCode: reason });
    expect(isOperationFailure(error)).toBe(true);
  });

  it('that failed without a reason says so', () => {
    const failed = { name: 'op', httpErrorStatusCode: 500, httpErrorMessage: 'INTERNAL' };
    expect(operationError(failed)).toMatchObject({ code: 'OPERATION_FAILED', message: 'INTERNAL' });
  });
});
