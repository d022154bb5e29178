import { describe, expect, it } from 'vitest';
import { withDetails } from '../spec/error-details.ts';
import { ImgkitError } from '../spec/errors.ts';
import { ProviderCalls } from './provider-calls.ts';

const calls = new ProviderCalls('prod', (error, place) =>
  withDetails(ImgkitError.is(error) ? error : new ImgkitError('UNAVAILABLE', String(error)), place),
);
const place = { provider: 'prod', operation: 'images.get', resource: 'web' };
const aborted = { signal: AbortSignal.abort() };

async function broken(): Promise<never> {
  throw new Error('broken');
}

async function all<T>(listing: AsyncIterable<T>): Promise<readonly T[]> {
  const items: T[] = [];
  for await (const item of listing) items.push(item);
  return items;
}

describe('ProviderCalls', () => {
  it('says where an error came from', async () => {
    const error = { code: 'UNAVAILABLE', ...place };
    await expect(calls.call('images.get', 'web', {}, broken)).rejects.toMatchObject(error);
    await expect(calls.operation('images.get', 'web', {}, broken)).rejects.toMatchObject(error);
    const listing = calls.listing('images.get', 'web', {}, async function* fails() {
      yield await broken();
    });
    await expect(all(listing)).rejects.toMatchObject(error);
  });

  it('enters nothing for a signal that has aborted', async () => {
    let entered = 0;
    const body = async (): Promise<number> => (entered += 1);
    const cancelled = { code: 'CANCELLED', ...place };
    await expect(calls.call('images.get', 'web', aborted, body)).rejects.toMatchObject(cancelled);
    const listing = calls.listing('images.get', 'web', aborted, async function* counts() {
      yield await body();
    });
    await expect(all(listing)).rejects.toMatchObject(cancelled);
    expect(entered).toBe(0);
  });
});
