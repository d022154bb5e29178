import { objectOf, objectsOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import type { Call } from '../call.ts';
import { ArmError, invalidParameter } from '../errors.ts';
import { regionName } from '../regions.ts';
import { idKey, isOfType } from '../resource-id.ts';
import {
  newResource,
  propertiesOf,
  setProperties,
  stateOf,
  type Stored,
  type World,
} from '../state.ts';
import type { BootImage } from './boot-images.ts';

const gib = 2 ** 30;

/** The disks of a new machine: what answers tell of them, and those that are to be made. */
export interface MachineDisks {
  readonly profile: JsonObject;
  readonly made: readonly Stored[];
}

/** Checks the disks that a new machine wants, and plans those that are missing. Nothing is kept yet. */
export function machineDisks(
  call: Call,
  storage: JsonObject,
  location: string,
  image: BootImage | undefined,
): MachineDisks {
  const made: Stored[] = [];
  const osDisk = bootDisk(call, objectOf(storage, 'osDisk') ?? {}, location, image, made);
  const luns = new Set<unknown>();
  const wishes = objectsOf(storage, 'dataDisks');
  // What an image has and nobody names is made all the same.
  const others = (image?.dataDisks ?? [])
    .filter(({ lun }) => wishes.every((wish) => wish['lun'] !== lun))
    .map(({ lun }) => ({ lun, createOption: 'FromImage' }));
  const dataDisks = [...wishes, ...others].map((wish) => {
    const { lun } = wish;
    if (luns.has(lun))
      throw invalidParameter('dataDisk.lun', `The lun ${Number(lun)} is used twice.`);
    luns.add(lun);
    return dataDisk(call, wish, { location, image, made });
  });
  const { imageReference: _, ...rest } = storage;
  const reference = image === undefined ? {} : { imageReference: image.reference };
  return { profile: { ...rest, ...reference, osDisk, dataDisks }, made };
}

function bootDisk(
  call: Call,
  wish: JsonObject,
  location: string,
  image: BootImage | undefined,
  made: Stored[],
): JsonObject {
  const option = textOf(wish, 'createOption');
  if (option === 'Attach') {
    if (image !== undefined)
      throw invalidParameter('imageReference', "Parameter 'imageReference' is not allowed.");
    const osType = textOf(wish, 'osType');
    if (osType === undefined)
      throw invalidParameter(
        'osDisk.osType',
        "Required parameter 'osDisk.osType' is missing (null).",
      );
    const disk = attached(call, wish, location);
    return { ...shown(wish, disk), deleteOption: textOf(wish, 'deleteOption') ?? 'Detach' };
  }
  if (option !== 'FromImage' || image === undefined)
    throw invalidParameter(
      'osDisk.createOption',
      `createOption ${String(option)} lacks its source.`,
    );
  const diskSizeGB = Number(wish['diskSizeGB'] ?? image.sizeInGB);
  if (diskSizeGB < image.sizeInGB)
    throw invalidParameter(
      'osDisk.diskSizeGB',
      `The specified disk size ${diskSizeGB} GB is smaller than the size of the corresponding disk in the VM image: ${image.sizeInGB} GB.`,
    );
  const name =
    textOf(wish, 'name') ?? `${call.name}_OsDisk_1_${call.world.nextGuid().replaceAll('-', '')}`;
  if (objectOf(wish, 'diffDiskSettings') !== undefined)
    return { ...wish, name, osType: image.osType, diskSizeGB, deleteOption: 'Delete' };
  const isVersion = isOfType(image.id, 'Microsoft.Compute/galleries/images/versions');
  const source = {
    [isVersion ? 'galleryImageReference' : 'imageReference']: { id: image.id },
  };
  const disk = planned(call, name, location, diskSizeGB, wish, {
    osType: image.osType,
    hyperVGeneration: image.generation,
    creationData: { createOption: 'FromImage', ...source },
  });
  made.push(disk);
  return {
    ...shown({ ...wish, name, osType: image.osType }, disk),
    deleteOption: textOf(wish, 'deleteOption') ?? 'Detach',
  };
}

function dataDisk(
  call: Call,
  wish: JsonObject,
  { location, image, made }: { location: string; image: BootImage | undefined; made: Stored[] },
): JsonObject {
  const deleteOption = textOf(wish, 'deleteOption') ?? 'Detach';
  if (textOf(wish, 'createOption') === 'Attach')
    return { ...shown(wish, attached(call, wish, location)), deleteOption };
  const fromImage = textOf(wish, 'createOption') === 'FromImage';
  const lun = Number(wish['lun']);
  const source = fromImage ? image?.dataDisks.find((one) => one.lun === lun) : undefined;
  if (fromImage && source === undefined)
    throw invalidParameter('dataDisk.lun', `The image has no data disk at lun ${lun}.`);
  const size = wish['diskSizeGB'] ?? source?.sizeInGB;
  if (typeof size !== 'number' || (!fromImage && textOf(wish, 'createOption') !== 'Empty'))
    throw invalidParameter(
      'dataDisk',
      'A data disk must be Empty, with a size, be attached, or be of the image.',
    );
  const guid = call.world.nextGuid().replaceAll('-', '');
  const name = textOf(wish, 'name') ?? `${call.name}_disk${Number(wish['lun']) + 2}_${guid}`;
  const creationData =
    fromImage && image !== undefined
      ? { createOption: 'FromImage', galleryImageReference: { id: image.id, lun } }
      : { createOption: 'Empty' };
  const disk = planned(call, name, location, size, wish, { creationData });
  made.push(disk);
  return { ...shown({ ...wish, name }, disk), deleteOption };
}

/** A disk that stands, and that nothing uses. */
function attached(call: Call, wish: JsonObject, location: string): Stored {
  const id = textOf(objectOf(wish, 'managedDisk'), 'id');
  if (id === undefined || !isOfType(id, 'Microsoft.Compute/disks'))
    throw invalidParameter('managedDisk.id', 'With Attach, the id of a managed disk is required.');
  const disk = call.source(id);
  const user = textOf(disk.resource, 'managedBy');
  if (user !== undefined && idKey(user) !== idKey(call.id))
    throw new ArmError(
      409,
      'AttachDiskWhileBeingDetached',
      `Cannot attach data disk '${disk.id}' to VM '${call.name}' because the disk is currently attached to '${user}'.`,
    );
  if (regionName(textOf(disk.resource, 'location') ?? '') !== location)
    throw new ArmError(409, 'Conflict', `The disk '${disk.id}' is not in '${location}'.`);
  if (stateOf(disk) !== 'Succeeded')
    throw new ArmError(409, 'Conflict', `The disk '${disk.id}' is in state ${stateOf(disk)}.`);
  return disk;
}

function planned(
  call: Call,
  name: string,
  location: string,
  diskSizeGB: number,
  wish: JsonObject,
  properties: JsonObject,
): Stored {
  const scope = call.id.split(/\/providers\//i)[0] ?? '';
  const id = `${scope}/providers/Microsoft.Compute/disks/${name}`;
  if (call.world.resources.find(id) !== undefined)
    throw new ArmError(
      409,
      'ConflictingUserInput',
      `Disk ${name} already exists in resource group ${scope.split('/')[4] ?? ''}. Only CreateOption.Attach is supported.`,
      { target: id },
    );
  const sku = textOf(objectOf(wish, 'managedDisk'), 'storageAccountType') ?? 'Standard_LRS';
  return newResource(
    id,
    { location, sku: { name: sku } },
    {
      ...properties,
      diskSizeGB,
      diskSizeBytes: diskSizeGB * gib,
      diskState: 'Attached',
      timeCreated: call.now,
      uniqueId: call.world.nextGuid(),
      provisioningState: 'Succeeded',
    },
  );
}

/** A disk as its machine tells of it. */
function shown(wish: JsonObject, disk: Stored): JsonObject {
  const { diskSizeGB } = propertiesOf(disk);
  const storageAccountType = textOf(objectOf(disk.resource, 'sku'), 'name') ?? 'Standard_LRS';
  const managedDisk = { ...objectOf(wish, 'managedDisk'), storageAccountType, id: disk.id };
  return {
    caching: 'ReadWrite',
    ...wish,
    name: disk.id.split('/').at(-1) ?? '',
    diskSizeGB,
    managedDisk,
  };
}

/** The disks of a machine, the boot disk first, and whether each goes with it. */
export function disksOf(
  world: World,
  machine: Stored,
): readonly { readonly disk: Stored; readonly goes: boolean }[] {
  const storage = objectOf(propertiesOf(machine), 'storageProfile');
  return [objectOf(storage, 'osDisk'), ...objectsOf(storage, 'dataDisks')].flatMap((entry) => {
    const disk = world.resources.find(textOf(objectOf(entry, 'managedDisk'), 'id') ?? '');
    return disk === undefined ? [] : [{ disk, goes: textOf(entry, 'deleteOption') === 'Delete' }];
  });
}

/** Says of a machine's disks that they are its own, or anybody's. */
export function markDisks(world: World, machine: Stored, inUse: boolean): void {
  for (const { disk } of disksOf(world, machine)) {
    disk.resource['managedBy'] = inUse ? machine.id : undefined;
    setProperties(disk, { diskState: inUse ? 'Attached' : 'Unattached' });
  }
}
