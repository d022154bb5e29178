import { z } from 'zod';

import { invalid } from '../resources/rules.ts';

const text = z.string().min(1);

/** What Nova's `OS-DCF:diskConfig` can be. https://docs.openstack.org/api-ref/compute/#create-server */
export const diskConfigs = ['AUTO', 'MANUAL'] as const;

const machineOptions = z.strictObject({
  /** The networks it is connected to, by id or name; `auto` is the one that the project has, `none` is none. */
  networks: z.union([z.enum(['auto', 'none']), z.array(text).min(1)]).optional(),
  /** The names or ids of the security groups, which say what may come in; the project's `default` by default. */
  securityGroups: z.array(text).optional(),
  /** The external network, by id or name, of which it gets a floating address. */
  floatingNetwork: text.optional(),
  availabilityZone: text.optional(),
  /** Whether its data also comes on a drive, so that the guest needs no metadata service; it does by default. */
  configDrive: z.boolean().optional(),
  /**
   * How the disk is fit to the flavor when the server is made or rebuilt. `AUTO`: the cloud grows the one partition
   * over all of it; `MANUAL`: the partitions stay as the image has them, which costs no time. The image's, or the
   * cloud's, by default.
   */
  diskConfig: z.enum(diskConfigs).optional(),
  /** Whether its boot disk is a new volume, which may be larger than the flavor's disk. */
  bootVolume: z.boolean().optional(),
});

/** What of a machine only OpenStack knows. */
export type MachineOptions = z.infer<typeof machineOptions>;

/** @throws `INVALID_ARGUMENT` for options it doesn't know or can't take. */
export function readMachineOptions(given: unknown): MachineOptions {
  const checked = machineOptions.safeParse(given ?? {});
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  const where = issue?.path.join('.') ?? '';
  throw invalid(
    `providerOptions can't be taken: ${where && `${where}: `}${issue?.message ?? ''}`,
    `Known are ${Object.keys(machineOptions.shape).join(', ')}.`,
  );
}
