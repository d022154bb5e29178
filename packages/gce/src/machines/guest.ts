import { ImgkitError, type CallOptions } from '@imgkit/core';

import { text } from '../api/wire.ts';
import type { GceContext } from '../context.ts';
import { instancePlace } from '../resources/kinds.ts';
import { toHostKeys } from '../mapping/instance.ts';
import { callOn } from '../resources/resource-calls.ts';

/** How much Google keeps of what a guest prints. */
const mostKeptBytes = 2 ** 20;

/** The end of what a guest printed on its first serial port. */
export async function consoleTail(
  { client }: GceContext,
  id: string,
  { maxBytes, signal }: CallOptions & { readonly maxBytes: number },
): Promise<string> {
  const { service, request } = callOn(instancePlace, id);
  // Counted from the end; what is further back than Google keeps can't be had.
  const start = -Math.min(Math.max(1, Math.floor(maxBytes)), mostKeptBytes);
  const output = await client.read(
    { service, method: 'getSerialPortOutput', request: { ...request, port: 1, start } },
    { signal },
  );
  return lastBytes(text(output, 'contents') ?? '', maxBytes);
}

/**
 * The public host keys that the guest has published. Google's guest agent does so at each boot, as guest
 * attributes; none are given where there is no agent, or nobody may ask.
 */
export async function publishedHostKeys(
  { client, logger }: GceContext,
  id: string,
  options?: CallOptions,
): Promise<readonly string[]> {
  const { service, request } = callOn(instancePlace, id);
  try {
    return toHostKeys(
      await client.read(
        { service, method: 'getGuestAttributes', request: { ...request, queryPath: 'hostkeys/' } },
        options,
      ),
    );
  } catch (error) {
    if (options?.signal?.aborted === true || !ImgkitError.is(error)) throw error;
    logger.debug('the guest’s host keys are not known', { id, code: error.code });
    return [];
  }
}

/** The end of a text, whole characters only. */
function lastBytes(value: string, most: number): string {
  const bytes = Buffer.from(value);
  if (bytes.length <= most) return value;
  let from = bytes.length - Math.max(0, most);
  while (from < bytes.length && ((bytes[from] ?? 0) & 0xc0) === 0x80) from += 1;
  return bytes.subarray(from).toString();
}
