import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { ImgkitError, type ErrorCode } from '../../spec/errors.ts';
import type { Provider } from '../../spec/provider.ts';

/** An instant of ISO 8601, with its time zone. */
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

/** Checks that a text is an ISO 8601 instant. */
export function assertInstant(text: string | undefined, what: string): void {
  assert.ok(
    text !== undefined && instant.test(text),
    `${what} must be an ISO 8601 instant: ${text}`,
  );
}

/** Checks that two instants are the same, however they are written. */
export function assertSameInstant(
  actual: string | undefined,
  expected: string,
  what: string,
): void {
  assertInstant(actual, what);
  assert.equal(Date.parse(actual ?? ''), Date.parse(expected), what);
}

/**
 * Checks that a call is refused as the contract says: with an ImgkitError of one of these codes that
 * names the provider and the operation.
 */
export async function assertRefused(
  provider: Provider,
  call: PromiseLike<unknown> | (() => PromiseLike<unknown>),
  ...codes: readonly [ErrorCode, ...ErrorCode[]]
): Promise<ImgkitError> {
  let result: unknown;
  try {
    result = await (typeof call === 'function' ? call() : call);
  } catch (error) {
    return checkError(provider, error, codes);
  }
  assert.fail(`must be refused with ${codes.join(' or ')}, but gave ${JSON.stringify(result)}`);
}

/** Checks an error that a provider gave. */
export function checkError(
  provider: Provider,
  error: unknown,
  codes: readonly ErrorCode[],
): ImgkitError {
  if (!ImgkitError.is(error)) {
    assert.fail(`every error must be an ImgkitError, but this one is ${String(error)}`);
  }
  assert.ok(
    codes.includes(error.code),
    `the code must be ${codes.join(' or ')}, but is ${error.code}: ${error.message}`,
  );
  assert.ok(error.message.length > 0, 'an error must have a message');
  // A call that never began has nothing to tell but that.
  if (error.code === 'CANCELLED') return error;
  assert.equal(error.provider, provider.name, `error.provider of "${error.message}"`);
  assert.ok((error.operation ?? '') !== '', `error.operation of "${error.message}" must be there`);
  return error;
}

/** Reads a listing to its end. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Checks something until it holds, for no longer than `ms` milliseconds: clouds take a while to agree. */
export async function eventually(ms: number, check: () => Promise<void>): Promise<void> {
  const end = Date.now() + ms;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() >= end) throw error;
    }
    await delay(Math.min(250, Math.max(5, ms / 20)));
  }
}

/** Checks that two things a provider gave say the same, whatever is native to the cloud in them. */
export function assertSame<T extends { readonly native?: unknown }>(
  actual: T | undefined,
  expected: T,
  why: string,
): void {
  assert.deepEqual(actual && plain(actual), plain(expected), why);
}

function plain(value: { readonly native?: unknown }): unknown {
  return JSON.parse(JSON.stringify({ ...value, native: undefined }));
}
