import { ImgkitError, throwIfAborted } from '@imgkit/core';

import { connectionError, protocolError, responseError } from '../errors.ts';

/** One request. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How long the answer may take, in milliseconds; not for streams, which take what they take. */
  readonly timeoutMs?: number | undefined;
  /** Answers that are no refusal beside those of 200 to 299. */
  readonly accept?: readonly number[] | undefined;
}

/** Sends requests; `fetch` by default. */
export type Transport = (request: HttpRequest) => Promise<Response>;

const defaultTimeoutMs = 60_000;

/**
 * Sends one request. Redirects aren't followed: a token must not go to another host.
 *
 * @throws {@link ImgkitError} of a refusal, `UNAVAILABLE` when the service isn't reached, `TIMEOUT`, `CANCELLED`.
 */
export const sendOverFetch: Transport = async (request) => {
  const { method, url, headers = {}, body, signal, accept = [] } = request;
  throwIfAborted(signal);
  const isStream = body instanceof ReadableStream;
  const { timeoutMs = isStream ? undefined : defaultTimeoutMs } = request;
  const timeout = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  const signals = [signal, timeout].filter((one) => one !== undefined);
  const place = url.replace(/\?.*$/s, '');
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers: { accept: 'application/json', ...headers },
      signal: AbortSignal.any(signals),
      redirect: 'manual',
      ...(body !== undefined && { body }),
      ...(isStream && { duplex: 'half' }),
    });
  } catch (error) {
    throwIfAborted(signal);
    if (timeout?.aborted === true) {
      throw new ImgkitError('TIMEOUT', `${method} ${place}: no answer within ${timeoutMs} ms`, {
        hint: 'Try again later.',
        cause: error,
      });
    }
    throw connectionError(error, method, place);
  }
  if (response.ok || accept.includes(response.status)) return response;
  const text = await response.text().catch(() => '');
  throwIfAborted(signal);
  if (response.status >= 300 && response.status < 400) {
    throw protocolError(`${method} ${place}`, `it leads to ${response.headers.get('location')}`);
  }
  const { status, headers: answered } = response;
  throw responseError({ method, url: place, status, headers: answered, body: text });
};

/** The JSON of an answer. */
export async function readJson(response: Response, what: string): Promise<unknown> {
  try {
    const content: unknown = await response.json();
    return content;
  } catch (error) {
    if (error instanceof SyntaxError) throw protocolError(what, 'it is no JSON');
    throw connectionError(error, 'reading', response.url);
  }
}
