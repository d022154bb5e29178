import { ImgkitError } from '@imgkit/core';
import * as z from 'zod';

/** How what is made is encrypted; with Google's own keys when nobody says. */
export interface GceEncryptionOptions {
  /** The key of Cloud KMS that it is encrypted with: `projects/p/locations/l/keyRings/r/cryptoKeys/k`. */
  readonly kmsKey?: string | undefined;
  /** The service account that uses the key; the project's own by default. */
  readonly kmsKeyServiceAccount?: string | undefined;
}

/** The schemas of {@link GceEncryptionOptions}. */
export const encryptionOptions = {
  kmsKey: z
    .string()
    .regex(/^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+/)
    .optional(),
  kmsKeyServiceAccount: z.email().optional(),
};

/** The key of a request; nothing when Google's own is to be used. */
export function encryptionKey({
  kmsKey,
  kmsKeyServiceAccount,
}: GceEncryptionOptions):
  | { readonly kmsKeyName: string; readonly kmsKeyServiceAccount: string | undefined }
  | undefined {
  return kmsKey === undefined ? undefined : { kmsKeyName: kmsKey, kmsKeyServiceAccount };
}

/**
 * Reads the `providerOptions` of a request.
 *
 * @param what - What they are for, such as `machines`.
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` that names each wrong option, and those that there are.
 */
export function readOptions<S extends z.ZodObject>(
  schema: S,
  given: Readonly<Record<string, unknown>> | undefined,
  what: string,
): z.output<S> {
  const read = schema.safeParse(given ?? {});
  if (read.success) return read.data;
  const wrong = read.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join('.')}: ${message}`,
  );
  throw new ImgkitError(
    'INVALID_ARGUMENT',
    `these providerOptions of ${what} can't be taken: ${wrong.join('; ')}`,
    { hint: `There are ${Object.keys(schema.shape).join(', ')}.` },
  );
}
