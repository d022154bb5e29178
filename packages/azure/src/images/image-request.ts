import { deprecationStates, type CreateImageRequest, type Deprecation } from '@imgkit/core';
import * as z from 'zod';

import { invalid } from '../resources/invalid.ts';
import { checkName } from '../resources/names.ts';

import {
  replicas,
  storageTypes,
  targetRegionsSchema,
  type AzureTargetRegion,
} from '../versions/target-regions.ts';

/** What `providerOptions` of `images.create` may hold at Azure. */
export interface AzureImageOptions {
  /** Where it goes; the provider's `targetRegions` by default. The provider's `location` must be among them. */
  readonly targetRegions?: readonly (string | AzureTargetRegion)[] | undefined;
  /** How many copies are kept in regions that don't say. */
  readonly replicaCount?: number | undefined;
  /** What the copies are kept in, in regions that don't say. */
  readonly storageAccountType?: AzureTargetRegion['storageAccountType'];
  /** `Shallow` makes a version in a moment, to be used from one region only: for tests. */
  readonly replicationMode?: 'Full' | 'Shallow' | undefined;
  /** The operating system, where the source doesn't tell; `Linux` by default. */
  readonly osType?: 'Linux' | 'Windows' | undefined;
  /** Whether the source was generalized; `Generalized` by default. */
  readonly osState?: 'Generalized' | 'Specialized' | undefined;
  /** The generation of machines, where the source doesn't tell; `V2` by default. */
  readonly hyperVGeneration?: 'V1' | 'V2' | undefined;
  /** What security new machines may have; the source's, else `Standard`. */
  readonly securityType?:
    | 'Standard'
    | 'TrustedLaunchSupported'
    | 'TrustedLaunch'
    | 'ConfidentialVMSupported'
    | 'ConfidentialVM'
    | 'TrustedLaunchAndConfidentialVmSupported'
    | undefined;
  /** The storage account of a source of kind `file`: its ARM id. */
  readonly storageAccountId?: string | undefined;
  /**
   * Of a source of kind `instance`: lets the guest take its identity out of itself, deallocates the machine, and marks
   * it as generalized, before it is captured. **It can never be started again.** Without it, the image is made of the
   * boot disk, and the machine stays as it is.
   */
  readonly generalize?: boolean | undefined;
  /** With `generalize`: `false` says that the guest's identity has been taken out of it already. */
  readonly deprovision?: boolean | undefined;
  /** Whether Azure refuses to delete the version before its end of life. */
  readonly blockDeletionBeforeEndOfLife?: boolean | undefined;
  /** Removes a version that failed and has the number that this one is to have. */
  readonly replaceFailed?: boolean | undefined;
}

const imageOptions = z.strictObject({
  targetRegions: targetRegionsSchema.refine((all) => all.length > 0, 'must name one').optional(),
  replicaCount: replicas.optional(),
  storageAccountType: storageTypes.optional(),
  replicationMode: z.enum(['Full', 'Shallow']).optional(),
  osType: z.enum(['Linux', 'Windows']).optional(),
  osState: z.enum(['Generalized', 'Specialized']).optional(),
  hyperVGeneration: z.enum(['V1', 'V2']).optional(),
  securityType: z
    .enum([
      'Standard',
      'TrustedLaunchSupported',
      'TrustedLaunch',
      'ConfidentialVMSupported',
      'ConfidentialVM',
      'TrustedLaunchAndConfidentialVmSupported',
    ])
    .optional(),
  storageAccountId: z.string().startsWith('/subscriptions/').optional(),
  generalize: z.boolean().optional(),
  deprovision: z.boolean().optional(),
  blockDeletionBeforeEndOfLife: z.boolean().optional(),
  replaceFailed: z.boolean().optional(),
});

/**
 * Checks what a request for an image says, but its labels and source.
 *
 * @returns its provider options.
 */
export function checkRequest(request: Omit<CreateImageRequest, 'source'>): AzureImageOptions {
  const { name, family, version, deprecation, providerOptions = {} } = request;
  checkName('an image', name);
  if (family !== undefined) checkName('a family', family);
  if (version === '')
    throw invalid('an empty text can’t be a version', 'Leave it out, or give one.');
  if (deprecation !== undefined) checkDeprecation(deprecation);
  return readOptions(imageOptions, providerOptions, 'images');
}

/** Checks what only this cloud knows. */
export function readOptions<T>(schema: z.ZodType<T>, given: unknown, what: string): T {
  const read = schema.safeParse(given);
  if (read.success) return read.data;
  throw invalid(
    `providerOptions of ${what} can't be taken: ${z.prettifyError(read.error).replaceAll('\n', ' ')}`,
    'See the type of the provider options in @imgkit/azure.',
  );
}

const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/;

/** Checks a deprecation. */
export function checkDeprecation({ state, dates }: Deprecation): void {
  if (!deprecationStates.includes(state))
    throw invalid(
      `"${state}" isn't a state of images`,
      `Use one of ${deprecationStates.join(', ')}.`,
    );
  for (const date of [dates?.deprecated, dates?.obsolete, dates?.deleted])
    if (date !== undefined && (!instant.test(date) || Number.isNaN(Date.parse(date))))
      throw invalid(
        `"${date}" isn't an instant`,
        'Write it as ISO 8601, with the time zone: 2026-11-21T09:00:00Z.',
      );
}

export { invalid } from '../resources/invalid.ts';
