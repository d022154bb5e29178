/** Where a resource is: `global`, `zones/us-central1-a`, `regions/us-central1`. */
export type Location = string;

/** Some of Google's regions with their zones. */
export const defaultRegions: Readonly<Record<string, readonly string[]>> = {
  'asia-east1': ['asia-east1-a', 'asia-east1-b', 'asia-east1-c'],
  'europe-west1': ['europe-west1-b', 'europe-west1-c', 'europe-west1-d'],
  'europe-west4': ['europe-west4-a', 'europe-west4-b', 'europe-west4-c'],
  'us-central1': ['us-central1-a', 'us-central1-b', 'us-central1-c', 'us-central1-f'],
  'us-east1': ['us-east1-b', 'us-east1-c', 'us-east1-d'],
  'us-west1': ['us-west1-a', 'us-west1-b', 'us-west1-c'],
};

/** Google's multi-regions, where images and snapshots may be kept beside the regions. */
export const multiRegions = ['us', 'eu', 'asia'];

/** The region of a zone: `us-central1` of `us-central1-a`. */
export function regionOfZone(zone: string): string {
  return zone.slice(0, zone.lastIndexOf('-'));
}

/** The region that a location is in; undefined when it is global. */
export function regionOf(location: Location): string | undefined {
  const [kind, name = ''] = location.split('/');
  if (kind === 'regions') return name;
  return kind === 'zones' ? regionOfZone(name) : undefined;
}

/** The name of the zone; undefined when it isn't one. */
export function zoneOf(location: Location): string | undefined {
  return location.startsWith('zones/') ? location.slice('zones/'.length) : undefined;
}

/** The locations of all zones: `zones/us-central1-a`. */
export function zonesOf(regions: Readonly<Record<string, readonly string[]>>): Location[] {
  return Object.values(regions)
    .flat()
    .map((zone) => `zones/${zone}`);
}
