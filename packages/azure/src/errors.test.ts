import { describe, expect, it } from 'vitest';

import { apiError, operationError } from './errors.ts';

/** An error as the SDK throws it. */
function restError(
  statusCode: number | undefined,
  code: string,
  message = 'said so',
  inner: readonly object[] = [],
): Error {
  const headers = new Map([
    ['x-ms-request-id', 'r-1'],
    ['retry-after', '17'],
  ]);
  const details = { error: { code, message, details: inner } };
  const error = new Error(message);
  error.name = 'RestError';
  return Object.assign(error, {
    statusCode,
    code,
    ...(statusCode && { details, response: { headers } }),
  });
}

describe('an error of Azure', () => {
  it.each([
    [404, 'ResourceNotFound', 'NOT_FOUND'],
    [404, 'SomethingElse', 'NOT_FOUND'],
    [403, 'AuthorizationFailed', 'PERMISSION_DENIED'],
    [403, 'RequestDisallowedByPolicy', 'PERMISSION_DENIED'],
    [401, 'ExpiredAuthenticationToken', 'UNAUTHENTICATED'],
    [409, 'CannotDeleteResource', 'IN_USE'],
    [409, 'Conflict', 'FAILED_PRECONDITION'],
    [409, 'ScopeLocked', 'FAILED_PRECONDITION'],
    [400, 'InvalidParameter', 'INVALID_ARGUMENT'],
    [400, 'QuotaExceeded', 'QUOTA_EXCEEDED'],
    [429, 'OperationNotAllowed', 'RATE_LIMITED'],
    [500, 'InternalServerError', 'UNAVAILABLE'],
    [503, 'ServerBusy', 'UNAVAILABLE'],
    [undefined, 'ECONNRESET', 'UNAVAILABLE'],
  ])('%s %s is %s', (status, code, expected) => {
    expect(apiError(restError(status, code)).code).toBe(expected);
  });

  it('keeps what Azure said', () => {
    expect(apiError(restError(429, 'OperationNotAllowed'))).toMatchObject({
      message: 'said so',
      providerCode: 'OperationNotAllowed',
      requestId: 'r-1',
      retryAfterMs: 17_000,
    });
  });

  it('of a call too many says what was counted, if that can be read', () => {
    const policy = {
      operationGroup: 'PutVM3Min',
      allowedRequestCount: 240,
      measuredRequestCount: 241,
    };
    const inner = { code: 'TooManyRequests', target: 'PutVM', message: JSON.stringify(policy) };
    expect(apiError(restError(429, 'OperationNotAllowed', 'x', [inner])).data).toEqual({
      rate: { group: 'PutVM3Min', allowed: 240, measured: 241 },
    });
    const other = { ...inner, message: 'too many' };
    expect(apiError(restError(429, 'OperationNotAllowed', 'x', [other])).data).toEqual({
      rate: { group: 'PutVM' },
    });
    for (const unread of [[], [{}], [{ message: '[' }], [{ message: '7' }]])
      expect(apiError(restError(429, 'TooManyRequests', 'x', unread))).toMatchObject({
        code: 'RATE_LIMITED',
        retryAfterMs: 17_000,
      });
  });

  it('is told by its message where Azure has no code for it', () => {
    const full =
      'Operation could not be completed as it results in exceeding approved Total Regional Cores quota.';
    expect(apiError(restError(409, 'OperationNotAllowed', full)).code).toBe('QUOTA_EXCEEDED');
    const kept = 'It has blockDeletionBeforeEndOfLife set.';
    expect(apiError(restError(409, 'OperationNotAllowed', kept))).toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('end of life'),
    });
  });

  it('without credentials says how to get some', () => {
    const error = Object.assign(new Error('no'), { name: 'CredentialUnavailableError' });
    expect(apiError(error)).toMatchObject({
      code: 'UNAUTHENTICATED',
      hint: expect.stringContaining('az login'),
    });
  });
});

describe('an operation that failed', () => {
  it('keeps its code', () => {
    const status = {
      status: 'Failed',
      name: 'op',
      error: { code: 'ReplicationJobFailed', message: 'no room' },
    };
    expect(operationError(status)).toMatchObject({
      code: 'OPERATION_FAILED',
      providerCode: 'ReplicationJobFailed',
      message: 'no room',
    });
    const quota = { status: 'Failed', error: { code: 'QuotaExceeded', message: 'full' } };
    expect(operationError(quota).code).toBe('QUOTA_EXCEEDED');
    expect(operationError({ status: 'Canceled' }).message).toContain('Canceled');
  });
});
