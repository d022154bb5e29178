import { describe, expect, it } from 'vitest';
import { ImgkitError } from '../spec/errors.ts';
import { CloudCalls } from './cloud-calls.ts';

function open(): CloudCalls<string | null> {
  const calls = new CloudCalls<string | null>('prod', {
    error: (error) =>
      ImgkitError.is(error) ? error : new ImgkitError('UNAVAILABLE', String(error)),
    address: (value) => (value === null || typeof value === 'string' ? value : undefined),
  });
  calls.onResume('images.create', async (token) => token);
  return calls;
}

function encoded(value: unknown): string {
  return `prod:${Buffer.from(JSON.stringify(value)).toString('base64url')}`;
}

async function failed(error: Error): Promise<never> {
  return open().call('images.get', 'web', {}, async () => {
    throw error;
  });
}

const token = { call: 'images.create', operation: '/7', target: 'web-1', rest: { size: 1 } };

describe('CloudCalls', () => {
  it('goes on from a token that another process gave', async () => {
    expect(await open().resume(open().textOf(token))).toEqual(token);
    const watched = { ...token, operation: null };
    expect(await open().resume(open().textOf(watched))).toEqual(watched);
  });

  it('refuses what is no token of its calls', async () => {
    const wrong = [
      '',
      'prod:!',
      encoded({ ...token, operation: 7 }),
      encoded({ ...token, call: 'images.delete' }),
      encoded({ ...token, more: 1 }),
      encoded('images.create'),
    ];
    for (const text of wrong)
      await expect(open().resume(text)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        provider: 'prod',
      });
  });

  it('says what goes on in the cloud, and with what to go on', () => {
    const calls = open();
    expect(calls.pending(token, 'the wait was ended')).toMatchObject({
      code: 'PENDING',
      resource: 'web-1',
      token: calls.textOf(token),
    });
  });

  it('says where an error came from only as far as it doesn’t say so', async () => {
    await expect(failed(new Error('broken'))).rejects.toMatchObject({
      provider: 'prod',
      operation: 'images.get',
      resource: 'web',
    });
    const elsewhere = new ImgkitError('NOT_FOUND', 'gone', { resource: 'disk' });
    await expect(failed(elsewhere)).rejects.toMatchObject({ provider: 'prod', resource: 'disk' });
    const placed = new ImgkitError('NOT_FOUND', 'gone', { provider: 'other' });
    await expect(failed(placed)).rejects.toBe(placed);
  });
});
