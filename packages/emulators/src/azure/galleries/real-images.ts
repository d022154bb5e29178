import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { objectOf, objectsOf, textOf } from '../../control-plane/json.ts';
import type { Hardware, HardwareImageSource } from '../../hardware/hardware.ts';
import { idKey, isOfType } from '../resource-id.ts';
import { propertiesOf, type Stored, type World } from '../state.ts';

/** Makes what stands behind an image version or a managed image, of what its storage profile says. */
export async function makeImage(world: World, image: Stored): Promise<void> {
  const { hardware } = world;
  if (hardware === undefined) return;
  const source = sourceOf(world, image);
  if (source === undefined) await makeOfBlob(world, hardware, image);
  else await hardware.createImage(idKey(image.id), source);
  for (const [lun, disk] of dataDisksOf(world, image))
    await hardware.createImage(dataImageLink(image.id, lun), disk);
}

/** Removes what stands behind an image version. */
export async function removeImage({ hardware }: World, image: Stored): Promise<void> {
  const storage = objectOf(propertiesOf(image), 'storageProfile');
  for (const { lun } of objectsOf(storage, 'dataDiskImages'))
    await hardware?.deleteImage(dataImageLink(image.id, Number(lun)));
  await hardware?.deleteImage(idKey(image.id));
}

/** What a data disk of an image is called among the real ones. */
export function dataImageLink(id: string, lun: number): string {
  return `${idKey(id)}/datadiskimages/${lun}`;
}

/** What the data disks of a version are made of: those of its machine, or of the version it is made of. */
function dataDisksOf(
  world: World,
  image: Stored,
): readonly (readonly [number, HardwareImageSource])[] {
  const storage = objectOf(propertiesOf(image), 'storageProfile');
  const source = objectOf(storage, 'source');
  const version = textOf(source, 'id');
  const machine = world.resources.find(textOf(source, 'virtualMachineId') ?? '');
  const disks = objectsOf(
    machine && objectOf(propertiesOf(machine), 'storageProfile'),
    'dataDisks',
  );
  return objectsOf(storage, 'dataDiskImages').flatMap(({ lun: number }) => {
    const lun = Number(number);
    if (version !== undefined)
      return [[lun, { kind: 'image', link: dataImageLink(version, lun) }] as const];
    const disk = disks.find((one) => one['lun'] === lun);
    const made = diskOf(textOf(objectOf(disk, 'managedDisk'), 'id'));
    return made === undefined ? [] : [[lun, made] as const];
  });
}

/** Makes it of the bytes that it was given: those of a blob. */
async function makeOfBlob({ contents }: World, hardware: Hardware, { id }: Stored): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-emulated-azure-'));
  try {
    const path = join(directory, 'disk.vhd');
    if ((await contents?.save(id, path)) !== true)
      throw new Error(`There is nothing real that ${id} is made of.`);
    await hardware.createImage(idKey(id), { kind: 'file', path });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function sourceOf(world: World, image: Stored): HardwareImageSource | undefined {
  const properties = propertiesOf(image);
  const storage = objectOf(properties, 'storageProfile');
  const source = objectOf(storage, 'source');
  const machine =
    textOf(source, 'virtualMachineId') ??
    textOf(objectOf(properties, 'sourceVirtualMachine'), 'id');
  if (machine !== undefined) {
    const found = world.resources.find(machine);
    const osDisk = found && objectOf(objectOf(propertiesOf(found), 'storageProfile'), 'osDisk');
    return diskOf(textOf(objectOf(osDisk, 'managedDisk'), 'id'));
  }
  const whole = textOf(source, 'id');
  if (whole !== undefined) return { kind: 'image', link: idKey(whole) };
  const osDisk = objectOf(storage, 'osDisk');
  return diskOf(
    textOf(objectOf(objectOf(storage, 'osDiskImage'), 'source'), 'id') ??
      textOf(objectOf(osDisk, 'snapshot'), 'id') ??
      textOf(objectOf(osDisk, 'managedDisk'), 'id'),
  );
}

function diskOf(id: string | undefined): HardwareImageSource | undefined {
  if (id === undefined) return undefined;
  const kind = isOfType(id, 'Microsoft.Compute/snapshots') ? 'snapshot' : 'disk';
  return { kind, link: idKey(id) };
}
