import * as z from 'zod';

import { readOptions } from '../images/image-request.ts';
import {
  replicas,
  storageTypes,
  targetRegionsSchema,
  type AzureTargetRegion,
} from '../versions/target-regions.ts';

/** What `providerOptions` of `machineImages.create` may hold at Azure. */
export interface AzureMachineImageOptions {
  /**
   * What it is made as: a restore point, which is incremental, of one region, and taken of running machines, too; or a
   * specialized image version of the gallery, which is a whole copy, can be in many regions, and goes where the gallery
   * is shared. `restorePoint` by default.
   */
  readonly as?: 'restorePoint' | 'imageVersion' | undefined;
  /** Of a restore point: the ids of disks of the machine that are left out. */
  readonly excludeDisks?: readonly string[] | undefined;
  /** Of an image version: what is done with a machine that runs; with `stop` it stays stopped. `refuse` by default. */
  readonly whenRunning?: 'refuse' | 'stop' | undefined;
  /** Of an image version: where it goes; only the provider's `location` by default, which must be among them. */
  readonly targetRegions?: readonly (string | AzureTargetRegion)[] | undefined;
  /** Of an image version: how many copies are kept in regions that don't say. */
  readonly replicaCount?: number | undefined;
  /** Of an image version: what the copies are kept in, in regions that don't say. */
  readonly storageAccountType?: AzureTargetRegion['storageAccountType'];
}

const pointOptions = z.strictObject({
  as: z.literal('restorePoint').optional(),
  excludeDisks: z.array(z.string().startsWith('/subscriptions/')).readonly().optional(),
});

const versionOptions = z.strictObject({
  as: z.literal('imageVersion'),
  whenRunning: z.enum(['refuse', 'stop']).optional(),
  targetRegions: targetRegionsSchema.refine((all) => all.length > 0, 'must name one').optional(),
  replicaCount: replicas.optional(),
  storageAccountType: storageTypes.optional(),
});

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` for options that aren't known, or are of the other kind. */
export function readMachineImageOptions(
  given: Readonly<Record<string, unknown>> = {},
): AzureMachineImageOptions {
  return given['as'] === 'imageVersion'
    ? readOptions(versionOptions, given, 'machine images that are image versions')
    : readOptions(pointOptions, given, 'machine images');
}
