import { isDeepStrictEqual } from 'node:util';

import type { JsonObject } from '../../control-plane/json.ts';
import { disruptions, type Disruption } from './group-model.ts';

const refreshable = new Set(['metadata', 'labels', 'tags', 'description']);
const restartable = new Set([
  'machineType',
  'minCpuPlatform',
  'scheduling',
  'serviceAccounts',
  'shieldedInstanceConfig',
  'guestAccelerators',
  'displayDevice',
]);

/**
 * What it takes to make a machine of one template into one of another: what the guest sees while it runs
 * can be refreshed, what is said at power-on takes a restart, and anything else a new machine.
 *
 * @see https://cloud.google.com/compute/docs/instance-groups/updating-migs#minimal_action
 */
export function disruptionBetween(from: JsonObject, to: JsonObject): Disruption {
  let worst: Disruption = 'NONE';
  for (const key of new Set([...Object.keys(from), ...Object.keys(to)])) {
    if (isDeepStrictEqual(from[key], to[key])) continue;
    if (refreshable.has(key)) worst = larger(worst, 'REFRESH');
    else worst = larger(worst, restartable.has(key) ? 'RESTART' : 'REPLACE');
  }
  return worst;
}

/** The more disruptive of two. */
function larger(a: Disruption, b: Disruption): Disruption {
  return disruptions.indexOf(a) >= disruptions.indexOf(b) ? a : b;
}

/**
 * What is done to a machine: what is needed, and at least `minimal`; nothing (`undefined`) when that is more
 * than `most`.
 */
export function allowedDisruption(
  needed: Disruption,
  minimal: Disruption,
  most: Disruption,
): Disruption | undefined {
  const disruption = larger(needed, minimal);
  return larger(disruption, most) === most ? disruption : undefined;
}
