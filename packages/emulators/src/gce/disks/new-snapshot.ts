import { textMapOf, textOf, textsOf, type JsonObject } from '../../control-plane/json.ts';
import type { Call } from '../call.ts';
import { shownKeys } from '../encryption-keys.ts';
import { selfLink } from '../links.ts';
import { multiRegions, regionOf } from '../locations.ts';
import { invalid, resourceNotReady } from '../errors.ts';
import type { OperationPlan } from '../operations.ts';
import { defineMetric, reserve } from '../quotas.ts';
import { snapshotType } from '../resources.ts';
import { putLabels } from '../services/labels.ts';
import { newResource, type Stored } from '../state.ts';
import { checkLabels, checkName } from '../values.ts';
import { checkRate, snapshotRate } from '../machine-images/creation-rate.ts';
import { inheritedFields } from './new-disk.ts';

const gib = 2 ** 30;

const snapshotQuota = defineMetric({
  name: 'SNAPSHOTS',
  scope: 'project',
  limit: 5000,
  used: (project) => snapshotType.all(project).length,
});

/**
 * Takes a snapshot of a disk, as the request's body names it.
 *
 * @param operation - `createSnapshot` works on the disk, `insert` on the snapshot.
 * @returns the operation.
 */
export function planSnapshot(
  call: Call,
  disk: Stored,
  operation: Pick<OperationPlan, 'location' | 'type'> & { readonly target?: Stored },
): JsonObject {
  const { world, project, body } = call;
  call.permit('compute.snapshots.create', project);
  const name = checkName('resource.name', textOf(body, 'name'));
  const labels = textMapOf(body, 'labels');
  checkLabels('resource.labels', labels);
  const { status } = disk.resource;
  if (status !== 'READY') throw resourceNotReady(disk.link);
  const locations = readStorageLocations(call, disk);
  reserve(snapshotQuota, project, 1);

  const snapshot = newResource(world, snapshotType, project, 'global', name);
  snapshotType.add(snapshot);
  const { sizeGb, id } = disk.resource;
  Object.assign(snapshot.resource, {
    description: body['description'],
    status: 'CREATING',
    diskSizeGb: sizeGb,
    sourceDisk: selfLink(disk.link),
    sourceDiskId: id,
    snapshotType: textOf(body, 'snapshotType') ?? 'STANDARD',
    storageLocations: locations,
    creationSizeBytes: '0',
    storageBytes: '0',
    storageBytesStatus: 'UPDATING',
    guestFlush: body['guestFlush'] === true || call.flag('guestFlush') ? true : undefined,
    ...inheritedFields(disk.resource),
    ...shownKeys(body, ['snapshotEncryptionKey', 'sourceDiskEncryptionKey']),
  });
  putLabels(snapshot.resource, labels);
  return call.start({
    target: snapshot,
    ...operation,
    async finish() {
      checkRate(snapshotRate, disk, snapshot.link, world.clock.now());
      await world.hardware?.createSnapshot(snapshot.link, disk.link);
      // Google keeps only what is written, and compresses it; how far, nobody can foretell.
      const stored = String((Number(sizeGb) * gib) / 4);
      Object.assign(snapshot.resource, {
        status: 'READY',
        creationSizeBytes: stored,
        storageBytes: stored,
        storageBytesStatus: 'UP_TO_DATE',
      });
    },
    failed: () => snapshotType.remove(snapshot),
  });
}

/** Where a backup is kept: where the request says, or the multi-region of its source. */
export function readStorageLocations(
  { world, body }: Call,
  { location }: Stored,
): readonly string[] {
  const asked = textsOf(body, 'storageLocations');
  const known = new Set([...multiRegions, ...Object.keys(world.regions)]);
  const wrong = asked.find((each) => !known.has(each));
  if (wrong !== undefined || asked.length > 1) {
    const why = 'Must be one region or multi-region.';
    throw invalid('resource.storageLocations', asked.join(), why);
  }
  return asked.length > 0 ? asked : [multiRegionOf(regionOf(location) ?? '')];
}

/** `eu` for `europe-west1`. */
function multiRegionOf(region: string): string {
  if (region.startsWith('europe')) return 'eu';
  return region.startsWith('asia') ? 'asia' : 'us';
}
