import type { WireObject } from '../api/wire.ts';
import type { AzureMachineOptions } from './machine-options.ts';

/**
 * Where a machine is, whom it acts as, and what is bought with it.
 *
 * @param own - Whether it also gets an identity of its own.
 */
export function placeOf(
  { zone, identities = [], plan: bought }: AzureMachineOptions,
  needed?: AzureMachineOptions['plan'],
  own = false,
): WireObject {
  const plan = bought ?? needed;
  const types = [own ? ['SystemAssigned'] : [], identities.length > 0 ? ['UserAssigned'] : []];
  const type = types.flat().join(', ');
  const assigned = Object.fromEntries(identities.map((id) => [id, {}]));
  return {
    ...(zone === undefined ? {} : { zones: [zone] }),
    ...(type === ''
      ? {}
      : {
          identity: {
            type,
            ...(identities.length > 0 ? { userAssignedIdentities: assigned } : {}),
          },
        }),
    ...(plan === undefined ? {} : { plan }),
  };
}

/** Whether Azure may take a machine away. */
export function priceOf({ spot = false }: AzureMachineOptions): WireObject {
  if (spot === false) return {};
  const { maxPrice = -1, eviction = 'Delete' } = spot === true ? {} : spot;
  return { priority: 'Spot', evictionPolicy: eviction, billingProfile: { maxPrice } };
}
