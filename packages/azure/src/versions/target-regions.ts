import * as z from 'zod';

import type { WireObject } from '../api/wire.ts';
import { invalid } from '../resources/invalid.ts';
import { regionName } from '../resources/regions.ts';

/** How a version is kept in one region. */
export interface AzureTargetRegion {
  /** `westeurope` */
  readonly name: string;
  /** How many copies are kept, from 1 to 100; one for each 50 machines that start at once is advised. */
  readonly replicaCount?: number | undefined;
  /** What the copies are kept in. */
  readonly storageAccountType?:
    | 'Standard_LRS'
    | 'Standard_ZRS'
    | 'Premium_LRS'
    | 'PremiumV2_LRS'
    | undefined;
  /** Whether it is kept from being the latest in this region. */
  readonly excludeFromLatest?: boolean | undefined;
  /** The disk encryption set that the copies are encrypted with: its ARM id. */
  readonly diskEncryptionSetId?: string | undefined;
  /** The disk encryption sets of data disks, by their numbers. */
  readonly dataDiskEncryption?:
    | readonly { readonly lun: number; readonly diskEncryptionSetId: string }[]
    | undefined;
  /** How the disks of confidential machines are encrypted. */
  readonly confidentialVm?:
    | {
        readonly encryptionType:
          | 'EncryptedVMGuestStateOnlyWithPmk'
          | 'EncryptedWithPmk'
          | 'EncryptedWithCmk'
          | 'NonPersistedTPM';
        /** The disk encryption set of `EncryptedWithCmk`: its ARM id. */
        readonly diskEncryptionSetId?: string | undefined;
      }
    | undefined;
}

const encryptionSet = z
  .string()
  .regex(
    /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.Compute\/diskEncryptionSets\/[^/]+$/i,
    'must be the ARM id of a disk encryption set',
  );
const name = z.string().regex(/^[A-Za-z0-9 ]+$/, 'must be a region such as westeurope');

export const replicas = z.int().min(1).max(100);
export const storageTypes = z.enum([
  'Standard_LRS',
  'Standard_ZRS',
  'Premium_LRS',
  'PremiumV2_LRS',
]);

/** The schema of target regions: names, or {@link AzureTargetRegion}. */
export const targetRegionsSchema = z
  .array(
    z.union([
      name,
      z.strictObject({
        name,
        replicaCount: replicas.optional(),
        storageAccountType: storageTypes.optional(),
        excludeFromLatest: z.boolean().optional(),
        diskEncryptionSetId: encryptionSet.optional(),
        dataDiskEncryption: z
          .array(
            z.strictObject({ lun: z.int().min(0).max(63), diskEncryptionSetId: encryptionSet }),
          )
          .readonly()
          .optional(),
        confidentialVm: z
          .strictObject({
            encryptionType: z.enum([
              'EncryptedVMGuestStateOnlyWithPmk',
              'EncryptedWithPmk',
              'EncryptedWithCmk',
              'NonPersistedTPM',
            ]),
            diskEncryptionSetId: encryptionSet.optional(),
          })
          .refine(
            ({ encryptionType, diskEncryptionSetId }) =>
              (encryptionType === 'EncryptedWithCmk') === (diskEncryptionSetId !== undefined),
            'EncryptedWithCmk, and only that, needs a diskEncryptionSetId',
          )
          .optional(),
      }),
    ]),
  )
  .readonly();

/** What holds of regions that don't say it themselves. */
export interface RegionDefaults {
  readonly replicaCount?: number | undefined;
  readonly storageAccountType?: AzureTargetRegion['storageAccountType'];
}

/**
 * Target regions with their names as Azure's API has them, each once.
 *
 * @throws ImgkitError with `INVALID_ARGUMENT` if one is named twice.
 */
export function plainRegions(
  regions: readonly (string | AzureTargetRegion)[],
): readonly AzureTargetRegion[] {
  const plain = regions.map((region): AzureTargetRegion =>
    typeof region === 'string'
      ? { name: regionName(region) }
      : { ...region, name: regionName(region.name) },
  );
  const names = plain.map((region) => region.name);
  const twice = names.find((one, index) => names.indexOf(one) !== index);
  if (twice !== undefined) throw invalid(`the region "${twice}" is named twice`, 'Name each once.');
  return plain;
}

/** A target region as Azure takes it. */
export function wireRegion(region: AzureTargetRegion, defaults: RegionDefaults = {}): WireObject {
  const { replicaCount, storageAccountType, excludeFromLatest } = region;
  const encryption = encryptionOf(region);
  return {
    name: region.name,
    regionalReplicaCount: replicaCount ?? defaults.replicaCount ?? 1,
    storageAccountType: storageAccountType ?? defaults.storageAccountType ?? 'Standard_LRS',
    excludeFromLatest: excludeFromLatest ?? false,
    ...(encryption === undefined ? {} : { encryption }),
  };
}

function encryptionOf({
  diskEncryptionSetId,
  dataDiskEncryption = [],
  confidentialVm,
}: AzureTargetRegion): WireObject | undefined {
  if (!diskEncryptionSetId && !confidentialVm && dataDiskEncryption.length === 0) return undefined;
  const securityProfile = confidentialVm && {
    confidentialVMEncryptionType: confidentialVm.encryptionType,
    ...(confidentialVm.diskEncryptionSetId === undefined
      ? {}
      : { secureVMDiskEncryptionSetId: confidentialVm.diskEncryptionSetId }),
  };
  return {
    osDiskImage: {
      ...(diskEncryptionSetId === undefined ? {} : { diskEncryptionSetId }),
      ...(securityProfile === undefined ? {} : { securityProfile }),
    },
    ...(dataDiskEncryption.length === 0
      ? {}
      : { dataDiskImages: dataDiskEncryption.map((disk) => ({ ...disk })) }),
  };
}
