import * as z from 'zod';

const place = z.string().min(1);
const action = z.enum(['NONE', 'REFRESH', 'RESTART', 'REPLACE']);
const percent = z.int().min(0).max(100);

/** What `providerOptions` of `fleets.create` may hold at GCE. */
export interface GceFleetOptions {
  /** The zone of a zonal group; the provider's by default. */
  readonly zone?: string | undefined;
  /** Makes a regional group, whose machines are spread over the zones of this region. */
  readonly region?: string | undefined;
  /** The zones of a regional group; Google's choice of three by default. */
  readonly zones?: readonly string[] | undefined;
}

/** The schema of {@link GceFleetOptions}. */
export const fleetOptions = z
  .strictObject({
    zone: place.optional(),
    region: place.optional(),
    zones: z.array(place).min(1).optional(),
  })
  .refine(({ zone, region }) => zone === undefined || region === undefined, {
    error: 'a group is in a zone or in a region, not both',
  })
  .refine(({ region, zones }) => zones === undefined || region !== undefined, {
    error: 'zones are those of a regional group: give its region too',
  });

/** What `providerOptions` of `fleets.rollOut` may hold at GCE. */
export interface GceRolloutOptions {
  /** The least that is done to each machine; `REPLACE` by default, else machines may keep their disk. */
  readonly minimalAction?: 'NONE' | 'REFRESH' | 'RESTART' | 'REPLACE' | undefined;
  /** The most that may be done to a machine; `REPLACE` by default. */
  readonly mostDisruptiveAllowedAction?: 'NONE' | 'REFRESH' | 'RESTART' | 'REPLACE' | undefined;
  /** `SUBSTITUTE`, the default, gives new machines new names; `RECREATE` keeps the names, and allows no surge. */
  readonly replacementMethod?: 'SUBSTITUTE' | 'RECREATE' | undefined;
  /** `maxSurge` as a part of the size, from 0 to 100, for groups of ten and more; instead of the number. */
  readonly maxSurgePercent?: number | undefined;
  /** `maxUnavailable` as a part of the size, from 0 to 100, for groups of ten and more; instead of the number. */
  readonly maxUnavailablePercent?: number | undefined;
}

/** The schema of {@link GceRolloutOptions}. */
export const rolloutOptions = z.strictObject({
  minimalAction: action.optional(),
  mostDisruptiveAllowedAction: action.optional(),
  replacementMethod: z.enum(['SUBSTITUTE', 'RECREATE']).optional(),
  maxSurgePercent: percent.optional(),
  maxUnavailablePercent: percent.optional(),
});
