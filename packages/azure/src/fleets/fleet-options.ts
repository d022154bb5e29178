import * as z from 'zod';

/** How Azure upgrades the machines of a fleet in batches; all percentages are of the whole fleet. */
export interface AzureRollingPolicy {
  /** How many machines are upgraded at once, from 5 to 100; 20 by default. */
  readonly maxBatchPercent?: number | undefined;
  /** How many may be unwell at any time, from 5 to 100, before Azure ends the upgrade; 20 by default. */
  readonly maxUnhealthyPercent?: number | undefined;
  /** How many of the upgraded ones may be unwell, from 0 to 100, before Azure ends the upgrade; 20 by default. */
  readonly maxUnhealthyUpgradedPercent?: number | undefined;
  /** The pause between batches, in seconds; none by default. */
  readonly pauseSeconds?: number | undefined;
  /** Whether machines that are unwell are upgraded first. */
  readonly prioritizeUnhealthy?: boolean | undefined;
  /** Whether machines that failed go back when Azure ends the upgrade. */
  readonly rollBackFailed?: boolean | undefined;
  /** Whether new machines are made before the old ones go, instead of replacing the disks of those that stand. */
  readonly surge?: boolean | undefined;
}

/** How it is found out whether a machine of a fleet is well. */
export type AzureHealth =
  /** Azure's Application Health extension asks in the machine. */
  | {
      readonly protocol: 'http' | 'https' | 'tcp';
      readonly port: number;
      /** What is asked for over HTTP: `/healthz`. */
      readonly path?: string | undefined;
    }
  /** The probe of a load balancer: its ARM id. */
  | { readonly probe: string };

/** Who upgrades the machines of a fleet. */
export type AzureUpgradeMode =
  /** imgkit does, machine by machine, within the bounds of the rollout: with canary and pause. */
  | 'manual'
  /** Azure does, batch by batch, and looks at the health: it ends what goes wrong. */
  | 'rolling'
  /** Azure does, all machines at once. */
  | 'automatic';

/** What `providerOptions` of `fleets.create` may hold at Azure. */
export interface AzureFleetOptions {
  /** Who upgrades the machines; `manual` by default. */
  readonly mode?: AzureUpgradeMode | undefined;
  /** How Azure does it, with `rolling` or `automaticUpgrades`. */
  readonly rolling?: AzureRollingPolicy | undefined;
  /**
   * What the model names: the `version` that is given (the default), or its definition, so that new machines boot from
   * whatever is its `latest` then.
   */
  readonly boot?: 'version' | 'latest' | undefined;
  /** Whether Azure upgrades the machines by itself when another version is the latest; with `boot: 'latest'` and health. */
  readonly automaticUpgrades?: boolean | undefined;
  /** How it is found out whether a machine is well. */
  readonly health?: AzureHealth | undefined;
  /** The ARM ids of the load balancers' back-end pools that the machines are in. */
  readonly loadBalancerPools?: readonly string[] | undefined;
  /** The availability zones: `['1', '2', '3']`. */
  readonly zones?: readonly ('1' | '2' | '3')[] | undefined;
}

/** What `providerOptions` of `fleets.rollOut` may hold at Azure. */
export interface AzureRolloutOptions {
  /** Changes who upgrades the machines, from this rollout on. */
  readonly mode?: AzureUpgradeMode | undefined;
  /** Changes how Azure does it, from this rollout on. */
  readonly rolling?: AzureRollingPolicy | undefined;
  /** Changes what the model names, from this rollout on. */
  readonly boot?: 'version' | 'latest' | undefined;
}

const mode = z.enum(['manual', 'rolling', 'automatic']).optional();
const boot = z.enum(['version', 'latest']).optional();
const armId = z.string().regex(/^\/subscriptions\/.+/i, 'must be an ARM id');
const rolling = z
  .strictObject({
    maxBatchPercent: z.int().min(5).max(100).optional(),
    maxUnhealthyPercent: z.int().min(5).max(100).optional(),
    maxUnhealthyUpgradedPercent: z.int().min(0).max(100).optional(),
    pauseSeconds: z.int().min(0).max(86_400).optional(),
    prioritizeUnhealthy: z.boolean().optional(),
    rollBackFailed: z.boolean().optional(),
    surge: z.boolean().optional(),
  })
  .optional();

/** The schema of {@link AzureFleetOptions}. */
export const fleetOptions = z
  .strictObject({
    mode,
    rolling,
    boot,
    automaticUpgrades: z.boolean().optional(),
    health: z
      .union([
        z.strictObject({
          protocol: z.enum(['http', 'https', 'tcp']),
          port: z.int().min(1).max(65_535),
          path: z.string().startsWith('/').optional(),
        }),
        z.strictObject({ probe: armId }),
      ])
      .optional(),
    loadBalancerPools: z.array(armId).readonly().optional(),
    zones: z
      .array(z.enum(['1', '2', '3']))
      .min(1)
      .readonly()
      .optional(),
  })
  .refine(({ mode: chosen, health }) => chosen !== 'rolling' || health !== undefined, {
    error: 'a rolling upgrade looks at the health of the machines: say how, by `health`',
  })
  .refine(
    ({ automaticUpgrades, boot: what, health }) =>
      automaticUpgrades !== true || (what === 'latest' && health !== undefined),
    { error: 'automatic upgrades need `boot: "latest"` and `health`' },
  );

/** The schema of {@link AzureRolloutOptions}. */
export const rolloutOptions = z.strictObject({ mode, rolling, boot });
