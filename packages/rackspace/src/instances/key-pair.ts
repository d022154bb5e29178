import { createHash } from 'node:crypto';

import { checkedPublicKey, ImgkitError, type CallOptions, type Labels } from '@imgkit/core';

import { statusOf } from '../errors.ts';
import type { CloudContext } from '../resources/context.ts';
import { markedPrefix, ownedName } from './ownership.ts';

/** The key pair of one launch. */
export interface LaunchKey {
  readonly publicKey: string;
  readonly labels: Labels;
  /** The digest of the launch's key. */
  readonly digest: string;
}

/**
 * Does something with a key pair, which is there for so long only: Nova copies its public key into the server
 * that is made with it. Guests that heed no user data get the key from there.
 */
export async function withKeyPair<T>(
  context: CloudContext,
  key: LaunchKey | undefined,
  work: (name: string | undefined) => Promise<T>,
  options: CallOptions,
): Promise<T> {
  if (key === undefined) return work(undefined);
  const name = ownedName(key.labels, markOf(key.digest));
  try {
    await importOnce(context, name, checkedPublicKey(key), options);
    return await work(name);
  } finally {
    // What stays is found by its name.
    await removeKeyPairs(context, key.digest).catch(() => undefined);
  }
}

/** Removes the key pairs of all tries of a launch: each has labels of its own, and the mark of them all. */
export async function removeKeyPairs(
  context: CloudContext,
  digest: string,
  options?: CallOptions,
): Promise<void> {
  const prefix = markedPrefix(markOf(digest));
  for (const name of await context.nova.keyPairs(options)) {
    if (name.startsWith(prefix)) await removeKeyPair(context, name, options);
  }
}

function markOf(digest: string): string {
  return digest.slice(0, 16);
}

/** Two tries of one launch use one key pair. */
async function importOnce(
  context: CloudContext,
  name: string,
  publicKey: string,
  options: CallOptions,
): Promise<void> {
  try {
    await context.nova.importKeyPair(name, publicKey, options);
  } catch (error) {
    const mayStand =
      statusOf(error) === 409 ||
      ImgkitError.is(error, 'UNAVAILABLE') ||
      ImgkitError.is(error, 'TIMEOUT');
    const stands = mayStand && (await context.nova.keyPairs(options)).includes(name);
    if (!stands) throw error;
  }
}

/** Removes a key pair. One that is gone is removed. */
export async function removeKeyPair(
  context: CloudContext,
  name: string,
  options?: CallOptions,
): Promise<void> {
  try {
    await context.nova.deleteKeyPair(name, options);
  } catch (error) {
    if (!ImgkitError.is(error, 'NOT_FOUND')) throw error;
  }
}

/** A digest of what a launch is known by, in hexadecimal digits. */
export function launchDigest(project: string, key: string): string {
  return createHash('sha256')
    .update(JSON.stringify([project, key]))
    .digest('hex');
}
