import { ImgkitError, type MachineTemplate } from '@imgkit/core';
import * as z from 'zod';

import {
  encryptionOptions,
  readOptions,
  type GceEncryptionOptions,
} from '../resources/provider-options.ts';

const text = z.string().min(1);

/** The schema of {@link GceMachineOptions}. */
const machineOptions = z.strictObject({
  zone: text.optional(),
  network: text.optional(),
  subnet: text.optional(),
  externalAddress: z.boolean().optional(),
  tags: z.array(text).optional(),
  serviceAccount: text.optional(),
  scopes: z.array(text).optional(),
  spot: z.boolean().optional(),
  shielded: z
    .strictObject({
      secureBoot: z.boolean().optional(),
      vtpm: z.boolean().optional(),
      integrityMonitoring: z.boolean().optional(),
    })
    .optional(),
  diskType: text.optional(),
  ...encryptionOptions,
  minCpuPlatform: text.optional(),
  description: z.string().max(2048).optional(),
});

/** What `providerOptions` of machines may hold at GCE: `instances.launch`, `machineImages.restore`, fleets. */
export interface GceMachineOptions extends GceEncryptionOptions {
  /** The zone; that of the disks given, or the provider's, by default. */
  readonly zone?: string | undefined;
  /** The network, by name or URL; `default` by default, or the subnet's. */
  readonly network?: string | undefined;
  /** The subnetwork, by name (in the machine's region) or URL. */
  readonly subnet?: string | undefined;
  /** Whether it gets an address that is reached from the internet; `true` by default. */
  readonly externalAddress?: boolean | undefined;
  /** Network tags, which firewall rules go by. */
  readonly tags?: readonly string[] | undefined;
  /** The service account that the guest may act as; none by default. */
  readonly serviceAccount?: string | undefined;
  /** What the guest may do as it; `https://www.googleapis.com/auth/cloud-platform` by default. */
  readonly scopes?: readonly string[] | undefined;
  /** Whether Google may take the machine away: cheaper. */
  readonly spot?: boolean | undefined;
  /** The options of Shielded VMs; Google's defaults for what is left out. */
  readonly shielded?:
    | {
        readonly secureBoot?: boolean | undefined;
        readonly vtpm?: boolean | undefined;
        readonly integrityMonitoring?: boolean | undefined;
      }
    | undefined;
  /** The type of new disks; `pd-balanced` by default. */
  readonly diskType?: string | undefined;
  /** The oldest CPU platform it may run on: `Intel Ice Lake`. */
  readonly minCpuPlatform?: string | undefined;
  /** What it is, in words. */
  readonly description?: string | undefined;
}

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` for options that aren't known, or don't go together. */
export function readMachineOptions(given: MachineTemplate['providerOptions']): GceMachineOptions {
  const options = readOptions(machineOptions, given, 'machines');
  if (options.scopes !== undefined && options.serviceAccount === undefined)
    throw new ImgkitError('INVALID_ARGUMENT', 'scopes need a service account', {
      hint: 'Name the `serviceAccount` too.',
    });
  return options;
}
