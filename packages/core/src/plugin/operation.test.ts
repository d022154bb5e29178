import { describe, expect, it } from 'vitest';
import { ImgkitError } from '../spec/errors.ts';
import { startOperation } from './operation.ts';

describe('an operation', () => {
  it('gives its progress, also what came before anyone listened, and then its result', async () => {
    const operation = startOperation(async ({ progress }) => {
      progress('first', 0.1);
      await Promise.resolve();
      progress('second', 0.9);
      return 'done';
    });
    const messages: string[] = [];
    for await (const { message } of operation) messages.push(message);
    expect(messages).toEqual(['first', 'second']);
    expect(await operation).toBe('done');
  });

  it('ends the progress without throwing when it fails, and throws from the result', async () => {
    const operation = startOperation<string>(async ({ progress }) => {
      progress('only');
      await Promise.resolve();
      throw new ImgkitError('NOT_FOUND', 'gone');
    });
    const messages: string[] = [];
    for await (const { message } of operation) messages.push(message);
    expect(messages).toEqual(['only']);
    await expect(operation).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('gives the token as soon as the work is accepted', async () => {
    const release = Promise.withResolvers<void>();
    const operation = startOperation(async ({ accepted }) => {
      accepted('job-1');
      await release.promise;
      return 1;
    });
    expect(await operation.token()).toBe('job-1');
    release.resolve();
    expect(await operation).toBe(1);
  });

  it('refuses the token of an operation that failed before it was accepted', async () => {
    const operation = startOperation(() =>
      Promise.reject(new ImgkitError('INVALID_ARGUMENT', 'bad')),
    );
    await expect(operation.token()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('is CANCELLED, without being entered, when the signal has aborted', async () => {
    let entered = false;
    const operation = startOperation(
      () => {
        entered = true;
        return Promise.resolve();
      },
      { signal: AbortSignal.abort() },
    );
    await expect(operation).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(entered).toBe(false);
  });

  it('is CANCELLED when the body throws the reason of the abort', async () => {
    const controller = new AbortController();
    const operation = startOperation(
      ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            reject(new Error('stopped', { cause: signal.reason }));
          });
        }),
      { signal: controller.signal },
    );
    controller.abort();
    await expect(operation).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
