import { ImgkitError } from '@imgkit/core';
import { describe, expect, it } from 'vitest';

import { connectionError, located, responseError, statusOf } from './errors.ts';

function refused(status: number, body: string, headers: Record<string, string> = {}): ImgkitError {
  const url = 'https://glance.test/v2/images/1';
  return responseError({
    method: 'GET',
    url,
    status,
    headers: new Map(Object.entries(headers)),
    body,
  });
}

describe('a refusal', () => {
  it.each([
    [
      'Keystone',
      401,
      '{"error":{"code":401,"message":"Bad password","title":"Unauthorized"}}',
      { code: 'UNAUTHENTICATED', providerCode: 'Unauthorized', message: /: Bad password$/ },
    ],
    [
      'Nova',
      404,
      '{"itemNotFound":{"code":404,"message":"Instance x could not be found."}}',
      { code: 'NOT_FOUND', providerCode: 'itemNotFound', message: /: Instance x could not/ },
    ],
    [
      'Glance',
      404,
      '{"message":"No image &amp; no luck<br /><br />\\n\\n","code":"404 Not Found","title":"Not Found"}',
      { code: 'NOT_FOUND', providerCode: 'Not Found', message: /no luck$/ },
    ],
    [
      'Glance before it is signed in to',
      401,
      '<html><head><title>401 Unauthorized</title></head><body>x</body></html>',
      { code: 'UNAUTHENTICATED', message: /: 401 Unauthorized$/ },
    ],
    ['a proxy', 502, 'oops', { code: 'UNAVAILABLE', message: /: status 502$/ }],
    [
      'a quota',
      403,
      '{"forbidden":{"code":403,"message":"Quota exceeded for instances"}}',
      { code: 'QUOTA_EXCEEDED', message: /Quota exceeded/ },
    ],
    ['a full store', 413, '{}', { code: 'QUOTA_EXCEEDED', message: /status 413/ }],
    ['a broken list', 500, '[]', { code: 'UNAVAILABLE', message: /status 500/ }],
    ['nothing', 500, 'null', { code: 'UNAVAILABLE', message: /status 500/ }],
  ])('of %s is understood', (_, status, body, { message, ...expected }) => {
    const error = refused(status, body);
    expect(error).toMatchObject(expected);
    expect(error.message).toMatch(message);
    expect(error.message).toContain('GET https://glance.test/v2/images/1');
    expect(statusOf(error)).toBe(status);
  });

  it('says how long to wait, in seconds or until when, and whose request it was', () => {
    const limited = refused(413, '{}', { 'retry-after': '7', 'x-openstack-request-id': 'req-1' });
    expect(limited).toMatchObject({
      code: 'RATE_LIMITED',
      retryAfterMs: 7000,
      requestId: 'req-1',
      retryable: true,
    });
    const until = new Date(Date.now() + 60_000).toUTCString();
    const { retryAfterMs = 0 } = refused(503, '', { 'retry-after': until });
    expect(retryAfterMs).toBeGreaterThan(50_000);
    expect(refused(429, '', { 'retry-after': 'soon' }).retryAfterMs).toBeUndefined();
  });

  it('tells a quota from a rate, though Cinder says that one can try again at once', () => {
    const body = '{"overLimit":{"code":413,"message":"Requested volume exceeds allowed quota."}}';
    const full = refused(413, body, { 'retry-after': '0' });
    expect(full).toMatchObject({ code: 'QUOTA_EXCEEDED', retryable: false });
  });
});

describe('other errors', () => {
  it('of a connection name the host, and stay what they are when they are ours', () => {
    const cause = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    const error = connectionError(cause, 'GET', 'https://glance.test/v2/images');
    expect(error).toMatchObject({ code: 'UNAVAILABLE', providerCode: 'ECONNREFUSED', cause });
    expect(error.hint).toContain('glance.test');
    const untrusted = Object.assign(new Error('no'), { code: 'SELF_SIGNED_CERT_IN_CHAIN' });
    expect(connectionError(untrusted, 'GET', 'https://glance.test')).toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('cacert'),
    });
    const own = new ImgkitError('CANCELLED', 'x');
    expect(connectionError(own, 'GET', 'https://x.test')).toBe(own);
  });

  it('say where they come from, once', () => {
    const place = { provider: 'lab', operation: 'images.get', resource: 'i1' };
    const once = located(refused(404, '', { 'x-openstack-request-id': 'req-1' }), place);
    expect(once).toMatchObject({ ...place, code: 'NOT_FOUND', requestId: 'req-1' });
    expect(located(once, { ...place, provider: 'other' })).toBe(once);
    expect(located('broken', place)).toMatchObject({ code: 'OPERATION_FAILED', message: 'broken' });
  });
});
