import { ImgkitError } from '@imgkit/core';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';

import { encryptionKey, encryptionOptions, readOptions } from './provider-options.ts';

const schema = z
  .strictObject({ ...encryptionOptions, size: z.int().optional() })
  .refine(({ size }) => size !== 13, { error: 'thirteen brings bad luck' });

function refusal(given: Record<string, unknown>): unknown {
  try {
    return readOptions(schema, given, 'disks');
  } catch (error) {
    return error;
  }
}

describe('provider options', () => {
  it('are given as they are', () => {
    expect(readOptions(schema, undefined, 'disks')).toEqual({});
    expect(readOptions(schema, { size: 1 }, 'disks')).toEqual({ size: 1 });
  });

  it('are refused with each that is wrong, and those that there are', () => {
    const error = refusal({
      size: 'big',
      colour: 'red',
      kmsKey: 'key',
      kmsKeyServiceAccount: 'me',
    });
    expect(ImgkitError.is(error, 'INVALID_ARGUMENT')).toBe(true);
    expect(error).toMatchObject({ hint: 'There are kmsKey, kmsKeyServiceAccount, size.' });
    for (const wrong of ['disks', 'size: ', 'colour', 'kmsKey: ', 'kmsKeyServiceAccount: '])
      expect(error).toMatchObject({ message: expect.stringContaining(wrong) });
  });

  it('are refused when they don’t go together', () => {
    expect(refusal({ size: 13 })).toMatchObject({
      message: "these providerOptions of disks can't be taken: thirteen brings bad luck",
    });
  });

  it('name a key, and who uses it', () => {
    const kmsKey = 'projects/p/locations/us/keyRings/r/cryptoKeys/k';
    const kmsKeyServiceAccount = 'keys@p.iam.gserviceaccount.com';
    expect(encryptionKey(readOptions(schema, { kmsKey, kmsKeyServiceAccount }, 'disks'))).toEqual({
      kmsKeyName: kmsKey,
      kmsKeyServiceAccount,
    });
    expect(encryptionKey({})).toBeUndefined();
  });
});
