import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

import { type ErrorCode, ImgkitError, throwIfAborted } from '@imgkit/core';
import { requireSpace } from '@imgkit/core/local';

import { fileError } from '../errors.ts';

/** What is fetched, and where to. */
export interface Download {
  readonly url: URL;
  /** The file to write. It holds what came so far when the download fails. */
  readonly target: string;
  /** The SHA-256 that the content must have, in lower-case hex. */
  readonly sha256: string;
  readonly signal: AbortSignal | undefined;
  /** Called with the part done, from 0 to 1, when the server told the length. */
  readonly onProgress: (fraction: number) => void;
}

const progressEvery = 0.01;

/**
 * Downloads a file and computes its checksum on the way.
 *
 * @throws `INVALID_ARGUMENT` when the checksum is another one; `NOT_FOUND`, `PERMISSION_DENIED` or
 *   `UNAVAILABLE` as the server says; `QUOTA_EXCEEDED` when it doesn't fit; `CANCELLED`.
 */
export async function download(wanted: Download): Promise<void> {
  const { url, target, signal, onProgress } = wanted;
  try {
    const { chunks, length } = await openSource(url, signal);
    if (length !== undefined) await requireSpace(dirname(target), length);
    const hash = createHash('sha256');
    let done = 0;
    let told = 0;
    await using file = await open(target, 'wx', 0o600);
    for await (const chunk of chunks) {
      throwIfAborted(signal, 'downloading an image');
      hash.update(chunk);
      await file.writeFile(chunk);
      done += chunk.length;
      if (length === undefined || done / length < told + progressEvery) continue;
      told = done / length;
      onProgress(Math.min(told, 1));
    }
    if (length !== undefined && done !== length) {
      throw failure('UNAVAILABLE', url, `ended after ${done} of ${length} bytes`);
    }
    requireEqual(hash.digest('hex'), wanted.sha256, shown(url));
  } catch (error) {
    throwIfAborted(signal, 'downloading an image');
    if (ImgkitError.is(error)) throw error;
    if (url.protocol !== 'file:' && error instanceof Error && !('syscall' in error)) {
      throw failure('UNAVAILABLE', url, 'did not answer', error);
    }
    throw fileError(error, url.protocol === 'file:' ? fileURLToPath(url) : target);
  }
}

/** Refuses content whose checksum isn't the one that was asked for. */
export function requireEqual(found: string, expected: string, resource: string): void {
  if (found === expected) return;
  throw new ImgkitError(
    'INVALID_ARGUMENT',
    `${resource} has the SHA-256 ${found}, not ${expected}`,
    {
      resource,
      hint: 'Take the checksum from the publisher: the image may have been replaced, or damaged on its way.',
      data: { found, expected },
    },
  );
}

interface Source {
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly length: number | undefined;
}

async function openSource(url: URL, signal: AbortSignal | undefined): Promise<Source> {
  if (url.protocol === 'file:') {
    const path = fileURLToPath(url);
    const { size } = await stat(path);
    return { chunks: createReadStream(path, { highWaterMark: 1 << 20 }), length: size };
  }
  const response = await fetch(url, {
    signal: signal ?? null,
    // Compressed on the wire, the length and the checksum would be those of something else.
    headers: { 'accept-encoding': 'identity' },
  });
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw failure(codeOf(response.status), url, `answered with status ${response.status}`);
  }
  const length = Number(response.headers.get('content-length') ?? Number.NaN);
  return { chunks: response.body, length: Number.isNaN(length) ? undefined : length };
}

function codeOf(status: number): ErrorCode {
  if (status === 404 || status === 410) return 'NOT_FOUND';
  if (status === 401 || status === 403) return 'PERMISSION_DENIED';
  return 'UNAVAILABLE';
}

function failure(code: ErrorCode, url: URL, what: string, cause?: unknown): ImgkitError {
  return new ImgkitError(code, `${shown(url)} ${what}`, {
    resource: shown(url),
    hint: 'Check the address and the network, then try again.',
    cause,
  });
}

/** An address without what could be a secret: user, password and query. */
function shown(url: URL): string {
  return url.protocol === 'file:' ? url.href : `${url.origin}${url.pathname}`;
}
