import { ImgkitError, type CallOptions } from '@imgkit/core';

import { text } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';

/** The end of what a guest printed on its serial console, as Azure's boot diagnostics keep it. */
export async function consoleTail(
  context: AzureContext,
  id: string,
  { maxBytes, signal }: CallOptions & { readonly maxBytes: number },
): Promise<string> {
  return lastBytes(await readConsole(context, id, { signal }), maxBytes);
}

/**
 * The public host keys that the guest has printed, in OpenSSH's format: cloud-init does so at the first boot. What is
 * on the console comes from Azure itself, and so can be trusted. None are given while they aren't there.
 */
export async function printedHostKeys(
  context: AzureContext,
  id: string,
  options?: CallOptions,
): Promise<readonly string[]> {
  try {
    return hostKeysIn(await readConsole(context, id, options));
  } catch (error) {
    if (options?.signal?.aborted === true || !ImgkitError.is(error)) throw error;
    context.logger.debug('the guest’s host keys are not known', { id, code: error.code });
    return [];
  }
}

async function readConsole(
  { client }: AzureContext,
  id: string,
  options?: CallOptions,
): Promise<string> {
  const { output } = await client.act(id, 'retrieveBootDiagnosticsData', undefined, options);
  const address = text(output, 'serialConsoleLogBlobUri');
  if (address === undefined) return '';
  try {
    return await client.download(address, options);
  } catch (error) {
    // A machine that has just begun to boot has printed nothing yet.
    if (ImgkitError.is(error, 'NOT_FOUND')) return '';
    throw error;
  }
}

/** What stands between the marks of the last boot that printed keys. */
function hostKeysIn(printed: string): readonly string[] {
  const begin = printed.lastIndexOf('-----BEGIN SSH HOST KEY KEYS-----');
  const end = printed.indexOf('-----END SSH HOST KEY KEYS-----', begin);
  if (begin === -1 || end === -1) return [];
  const keys = printed
    .slice(begin, end)
    .matchAll(/((?:ssh|ecdsa)-[\w-]+) ([A-Za-z0-9+/]{32,}=*)(?=\s)/g);
  return [...keys].map(([, type, blob]) => `${type} ${blob}`);
}

/** The end of a text, whole characters only. */
function lastBytes(value: string, most: number): string {
  const bytes = Buffer.from(value);
  if (bytes.length <= most) return value;
  let from = bytes.length - Math.max(0, most);
  while (from < bytes.length && ((bytes[from] ?? 0) & 0xc0) === 0x80) from += 1;
  return bytes.subarray(from).toString();
}
