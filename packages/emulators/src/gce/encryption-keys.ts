import { createHash } from 'node:crypto';

import { objectOf, textOf, type JsonObject } from '../control-plane/json.ts';

/**
 * Encryption keys as they are answered: the name of a managed key, or the digest of one that the customer supplied.
 * The key itself is never kept.
 */
export function shownKeys(body: JsonObject, fields: readonly string[]): JsonObject {
  return Object.fromEntries(
    fields.flatMap((field) => {
      const key = objectOf(body, field);
      return key ? [[field, shownKey(key)]] : [];
    }),
  );
}

function shownKey(key: JsonObject): JsonObject {
  const raw = textOf(key, 'rawKey') ?? textOf(key, 'rsaEncryptedKey');
  const kmsKeyName = textOf(key, 'kmsKeyName');
  return {
    // Google answers the version that is in use.
    ...(kmsKeyName === undefined
      ? {}
      : {
          kmsKeyName: kmsKeyName.includes('/cryptoKeyVersions/')
            ? kmsKeyName
            : `${kmsKeyName}/cryptoKeyVersions/1`,
        }),
    ...(raw === undefined
      ? {}
      : { sha256: createHash('sha256').update(Buffer.from(raw, 'base64')).digest('base64') }),
  };
}
