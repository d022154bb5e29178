import { expect, it } from 'vitest';
import { withDetails } from './error-details.ts';
import { ImgkitError } from './errors.ts';

it('withDetails keeps what it is not told', () => {
  const details = {
    operation: 'images.create',
    hint: 'Wait.',
    providerCode: '429',
    requestId: 'r-1',
    retryAfterMs: 5,
    token: 't',
    leftovers: [],
    replacement: 'prod:b',
    data: { a: 1 },
    cause: new Error('below'),
  };
  const error = new ImgkitError('RATE_LIMITED', 'too many', { ...details, resource: 'a' });
  expect(withDetails(error, { provider: 'prod', resource: 'b' })).toMatchObject({
    code: 'RATE_LIMITED',
    message: 'too many',
    ...details,
    provider: 'prod',
    resource: 'b',
  });
});
