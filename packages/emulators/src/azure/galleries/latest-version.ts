import { objectOf } from '../../control-plane/json.ts';
import { propertiesOf, stateOf, type Stored, type World } from '../state.ts';
import { regionName } from '../regions.ts';
import { regionNames, regionsOf, replicationStatus } from './replication.ts';

/** Whether machines of a region can be of a version: it stands, and has come there. */
export function isReplicated(world: World, version: Stored, location: string): boolean {
  const state = stateOf(version);
  if (state !== 'Succeeded' && state !== 'Updating') return false;
  const { summary } = replicationStatus(version, world.clock.now());
  const places = Array.isArray(summary) ? summary : [];
  return places.some(
    (one) => regionName(String(one?.['region'])) === location && one?.['state'] === 'Completed',
  );
}

/** The version of a definition that `latest` means in a region: by number, not by date. */
export function latestVersion(
  world: World,
  definition: string,
  location: string,
): Stored | undefined {
  return world.resources
    .below(`${definition}/versions/`)
    .filter((one) => isReplicated(world, one, location) && !isExcluded(one, location))
    .toSorted((a, b) => compareNumbers(nameOf(a), nameOf(b)))
    .at(-1);
}

function isExcluded(version: Stored, location: string): boolean {
  const profile = objectOf(propertiesOf(version), 'publishingProfile');
  if (profile?.['excludeFromLatest'] === true) return true;
  const regions = regionsOf(version);
  const here = regions[regionNames(regions).indexOf(location)];
  return here?.['excludeFromLatest'] === true;
}

/** The name of a version: its number. */
export function nameOf({ id }: Stored): string {
  return id.split('/').at(-1) ?? '';
}

/** What orders the numbers of versions: `1.9.0` comes before `1.10.0`. */
export function compareNumbers(a: string, b: string): number {
  const [left, right] = [a, b].map((one) => one.split('.').map(Number));
  const index = left?.findIndex((part, place) => part !== right?.[place]) ?? -1;
  return index === -1 ? 0 : (left?.[index] ?? 0) - (right?.[index] ?? 0);
}
