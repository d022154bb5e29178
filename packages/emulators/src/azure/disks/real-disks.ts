import { objectOf, textOf } from '../../control-plane/json.ts';
import type { HardwareDiskSource } from '../../hardware/hardware.ts';
import { dataImageLink } from '../galleries/real-images.ts';
import { idKey, isOfType } from '../resource-id.ts';
import { propertiesOf, type Stored, type World } from '../state.ts';

/** Makes what stands behind a disk, of what its creation data says. */
export async function makeDisk(world: World, disk: Stored): Promise<void> {
  const bytes = Number(propertiesOf(disk)['diskSizeBytes'] ?? 0);
  await world.hardware?.createDisk(idKey(disk.id), sourceOf(disk), bytes);
}

/** Makes what stands behind a disk or a snapshot. */
export async function makeReal(world: World, stored: Stored): Promise<void> {
  if (!isOfType(stored.id, 'Microsoft.Compute/snapshots')) return makeDisk(world, stored);
  const data = objectOf(propertiesOf(stored), 'creationData');
  const disk = textOf(data, 'sourceResourceId');
  if (disk !== undefined) await world.hardware?.createSnapshot(idKey(stored.id), idKey(disk));
}

/** Removes what stands behind a disk or a snapshot. */
export async function removeReal(world: World, { id }: Stored): Promise<void> {
  const snapshot = isOfType(id, 'Microsoft.Compute/snapshots');
  await world.hardware?.[snapshot ? 'deleteSnapshot' : 'deleteDisk'](idKey(id));
}

function sourceOf(disk: Stored): HardwareDiskSource {
  const data = objectOf(propertiesOf(disk), 'creationData');
  const gallery = objectOf(data, 'galleryImageReference');
  const version = textOf(gallery, 'id');
  const lun = gallery?.['lun'];
  if (version !== undefined && typeof lun === 'number')
    return { kind: 'image', link: dataImageLink(version, lun) };
  const image = version ?? textOf(objectOf(data, 'imageReference'), 'id');
  if (image !== undefined) return { kind: 'image', link: idKey(image) };
  const id = textOf(data, 'sourceResourceId');
  if (id === undefined) return { kind: 'empty' };
  const kind = /\/(?:snapshots|diskRestorePoints)\/[^/]+$/i.test(id) ? 'snapshot' : 'disk';
  return { kind, link: idKey(id) };
}
