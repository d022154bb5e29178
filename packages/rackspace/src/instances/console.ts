import { ImgkitError, type CallOptions } from '@imgkit/core';

import { statusOf } from '../errors.ts';
import type { CloudContext } from '../resources/context.ts';

/** What of a console is looked through for host keys, in bytes. */
const searchedBytes = 262_144;

/** The end of what a guest printed on its console. */
export async function consoleTail(
  context: CloudContext,
  id: string,
  maxBytes: number,
  options?: CallOptions,
): Promise<string> {
  let text: string;
  try {
    text = await context.nova.console(id, options);
  } catch (error) {
    // One that is still being built has no console yet, and one that was never started none at all.
    if (statusOf(error) !== 409) throw error;
    text = '';
  }
  const bytes = Buffer.from(text).subarray(-Math.max(1, Math.floor(maxBytes)));
  // Whole characters only.
  const first = bytes.findIndex((byte) => (byte & 0xc0) !== 0x80);
  return maxBytes >= 1 ? bytes.subarray(Math.max(0, first)).toString() : '';
}

/**
 * The public host keys that a guest has printed on its console, as cloud-init does at the first boot; none are
 * given where it doesn't, or nobody may look.
 */
export async function printedHostKeys(
  context: CloudContext,
  id: string,
  options?: CallOptions,
): Promise<readonly string[]> {
  let text: string;
  try {
    text = await consoleTail(context, id, searchedBytes, options);
  } catch (error) {
    if (options?.signal?.aborted === true || !ImgkitError.is(error)) throw error;
    return [];
  }
  const block = /-----BEGIN SSH HOST KEY KEYS-----(?<keys>[^]*?)-----END SSH HOST KEY KEYS-----/g;
  const last = [...text.matchAll(block)].at(-1)?.groups?.['keys'] ?? '';
  return [...last.matchAll(/(?:ssh|ecdsa)-\S+ [A-Za-z0-9+/]+=*/g)].map(([key]) => key);
}
