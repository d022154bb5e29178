import {
  objectOf,
  objectsOf,
  textOf,
  type Json,
  type JsonObject,
} from '../../control-plane/json.ts';
import { displayName, regionName } from '../regions.ts';
import { propertiesOf, stateOf, type Stored } from '../state.ts';

/** Where a version shall be. */
export function regionsOf(stored: Stored): readonly JsonObject[] {
  return objectsOf(objectOf(propertiesOf(stored), 'publishingProfile'), 'targetRegions');
}

/** The names of some target regions. */
export function regionNames(regions: readonly JsonObject[]): readonly string[] {
  return regions.map((region) => regionName(textOf(region, 'name') ?? ''));
}

/** How far a version is in each of its regions: one after the other gets done in the time that all take. */
export function replicationStatus(stored: Stored, now: number): JsonObject {
  const regions = regionNames(regionsOf(stored));
  const { replication } = stored;
  const failed = stateOf(stored) === 'Failed';
  const fresh = regions.filter((name) => replication?.settled.has(name) === false);
  const elapsed = replication === undefined ? 1 : (now - replication.startedAt) / replication.ms;
  const summary = regions.map((name) => {
    const place = fresh.indexOf(name);
    const share = place === -1 ? 1 : (elapsed * fresh.length) / (place + 1);
    const lost = failed && place !== -1;
    const progress = Math.max(0, Math.min(lost ? 99 : 100, Math.floor(share * 100)));
    const state = lost ? 'Failed' : progress === 100 ? 'Completed' : 'Replicating';
    const details = lost ? `The replication to ${displayName(name)} failed.` : '';
    return { region: displayName(name), state, details, progress };
  });
  const all = summary.every(({ state }) => state === 'Completed');
  const aggregatedState = failed ? 'Failed' : all ? 'Completed' : 'InProgress';
  return { aggregatedState, summary };
}

/** The regions of a request as answers have them: display names, and every default filled in. */
export function shownRegions(
  regions: readonly JsonObject[],
  defaults: { readonly replicaCount: number; readonly storageAccountType: string },
): Json[] {
  return regions.map((region) => ({
    regionalReplicaCount: defaults.replicaCount,
    storageAccountType: defaults.storageAccountType,
    ...region,
    name: displayName(textOf(region, 'name') ?? ''),
  }));
}
