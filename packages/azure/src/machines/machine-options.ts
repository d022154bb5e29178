import * as z from 'zod';

import { readOptions } from '../images/image-request.ts';

const armId = z.string().startsWith('/subscriptions/');

const machineOptions = z.strictObject({
  zone: z.enum(['1', '2', '3']).optional(),
  subnet: armId.optional(),
  publicAddress: z.boolean().optional(),
  networkSecurityGroup: armId.optional(),
  acceleratedNetworking: z.boolean().optional(),
  spot: z
    .union([
      z.boolean(),
      z.strictObject({
        maxPrice: z.number().positive().optional(),
        eviction: z.enum(['Deallocate', 'Delete']).optional(),
      }),
    ])
    .optional(),
  ephemeralOsDisk: z.enum(['CacheDisk', 'ResourceDisk', 'NvmeDisk']).optional(),
  diskSku: z
    .enum([
      'Standard_LRS',
      'StandardSSD_LRS',
      'StandardSSD_ZRS',
      'Premium_LRS',
      'Premium_ZRS',
      'PremiumV2_LRS',
    ])
    .optional(),
  diskEncryptionSetId: armId.optional(),
  securityType: z.enum(['Standard', 'TrustedLaunch', 'ConfidentialVM']).optional(),
  secureBoot: z.boolean().optional(),
  identities: z.array(armId).readonly().optional(),
  plan: z
    .strictObject({
      name: z.string().min(1),
      product: z.string().min(1),
      publisher: z.string().min(1),
    })
    .optional(),
});

/** What `providerOptions` of machines may hold at Azure. */
export interface AzureMachineOptions {
  /** The availability zone; Azure chooses by default. */
  readonly zone?: '1' | '2' | '3' | undefined;
  /** The id of the subnet; the provider's by default. */
  readonly subnet?: string | undefined;
  /** Whether it gets an address of its own that is reached from the internet; as the provider's `address` says by default. */
  readonly publicAddress?: boolean | undefined;
  /** The id of a security group for its interface, beside the subnet's. */
  readonly networkSecurityGroup?: string | undefined;
  readonly acceleratedNetworking?: boolean | undefined;
  /** Whether Azure may take the machine away: cheaper. `maxPrice` is in US dollars an hour; by default an evicted one is deleted. */
  readonly spot?:
    | boolean
    | {
        readonly maxPrice?: number | undefined;
        readonly eviction?: 'Deallocate' | 'Delete' | undefined;
      }
    | undefined;
  /** Keeps the boot disk on the host, where it is fast and lost when the machine is deallocated: which disk of the host. */
  readonly ephemeralOsDisk?: 'CacheDisk' | 'ResourceDisk' | 'NvmeDisk' | undefined;
  /** What new disks are kept in; `StandardSSD_LRS` by default. */
  readonly diskSku?:
    | 'Standard_LRS'
    | 'StandardSSD_LRS'
    | 'StandardSSD_ZRS'
    | 'Premium_LRS'
    | 'Premium_ZRS'
    | 'PremiumV2_LRS'
    | undefined;
  /** The disk encryption set that new disks are encrypted with. */
  readonly diskEncryptionSetId?: string | undefined;
  /** What the image asks for by default. */
  readonly securityType?: 'Standard' | 'TrustedLaunch' | 'ConfidentialVM' | undefined;
  /** Whether a machine with Trusted Launch boots signed software only; `true` by default. */
  readonly secureBoot?: boolean | undefined;
  /** The ids of user-assigned identities that the guest may act as. */
  readonly identities?: readonly string[] | undefined;
  /** The purchase plan of an image of the marketplace that has one. */
  readonly plan?:
    | { readonly name: string; readonly product: string; readonly publisher: string }
    | undefined;
}

/** What `providerOptions` of `machineImages.restore` may hold at Azure: each goes before what the machine image holds. */
export interface AzureRestoreOptions extends Omit<
  AzureMachineOptions,
  'ephemeralOsDisk' | 'securityType' | 'secureBoot'
> {
  /** The region: of an image version, one that it is in; the provider's own by default. Restore points are in one region. */
  readonly location?: string | undefined;
}

const restoreOptions = machineOptions
  .omit({ ephemeralOsDisk: true, securityType: true, secureBoot: true })
  .extend({ location: z.string().min(1).optional() });

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` for options that a restored machine can't have. */
export function readRestoreOptions(given: unknown): AzureRestoreOptions {
  return readOptions(restoreOptions, given ?? {}, 'restored machines');
}

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` for options that aren't known. */
export function readMachineOptions(given: unknown): AzureMachineOptions {
  return readOptions(machineOptions, given ?? {}, 'machines');
}
