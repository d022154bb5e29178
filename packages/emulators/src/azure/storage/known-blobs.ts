import { isJsonArray, isJsonObject, type Json } from '../../control-plane/json.ts';
import type { BlobAccount } from './blob-account.ts';
import { footerBytes, whyNoVhd } from './vhd.ts';

/** What is known of a blob that a disk can be made of. */
export interface KnownBlob {
  /** The size of its disk, in bytes. */
  readonly diskSize: number;
  /** What keeps Azure from making a disk of it. */
  readonly trouble?: string | undefined;
}

/**
 * Looks at the blobs that a request names, so that its handler finds them as they are now.
 *
 * @param known - What is known of blobs, by their addresses.
 */
export async function lookAtBlobs(
  account: BlobAccount,
  known: Map<string, KnownBlob>,
  body: Json | undefined,
): Promise<void> {
  for (const address of addressesIn(body)) {
    if (!account.has(address)) continue;
    const found = await lookAt(account, address);
    if (found === undefined) known.delete(address);
    else known.set(address, found);
  }
}

async function lookAt(account: BlobAccount, address: string): Promise<KnownBlob | undefined> {
  const facts = await account.facts(address);
  if (facts === undefined) return undefined;
  const { kind, size, lease } = facts;
  const diskSize = size - footerBytes;
  if (kind !== 'PageBlob') return { diskSize, trouble: `It is a ${kind}, and must be a PageBlob.` };
  if (lease === 'leased') return { diskSize, trouble: 'There is currently a lease on the blob.' };
  const footer = await account.read(address, Math.max(0, diskSize), footerBytes);
  return { diskSize, trouble: whyNoVhd(footer, size) };
}

/** The addresses of blobs that a body names, wherever they stand in it. */
function* addressesIn(value: Json | undefined): Iterable<string> {
  if (isJsonArray(value)) for (const one of value) yield* addressesIn(one);
  else if (isJsonObject(value))
    for (const [name, one] of Object.entries(value))
      if ((name === 'uri' || name === 'sourceUri') && typeof one === 'string') yield one;
      else yield* addressesIn(one);
}
