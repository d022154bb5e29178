import {
  objectOf,
  objectsOf,
  textOf,
  type Json,
  type JsonObject,
} from '../../control-plane/json.ts';
import type { Call } from '../call.ts';
import { publicSource } from '../public-galleries/public-galleries.ts';
import { ArmError, invalidParameter } from '../errors.ts';
import { regionName } from '../regions.ts';
import { isOfType, parentId } from '../resource-id.ts';
import { propertiesOf, stateOf, type Stored } from '../state.ts';

const gib = 2 ** 30;
const at = 'galleryImageVersion.properties.storageProfile';

/** What a version is made of, checked: its storage profile as answers have it. */
export function readSource(call: Call, location: string): JsonObject {
  const storage = objectOf(objectOf(call.body, 'properties'), 'storageProfile') ?? {};
  const source = objectOf(storage, 'source');
  const osDisk = objectOf(storage, 'osDiskImage');
  if ((source === undefined) === (osDisk === undefined))
    throw invalidParameter(at, 'Exactly one of source and osDiskImage must be given.');
  const sizeInGB = source
    ? sizeOfSource(call, source, location)
    : sizeOfDisk(call, objectOf(osDisk, 'source'), location);
  const hostCaching = textOf(osDisk, 'hostCaching') ?? 'ReadWrite';
  const dataDiskImages = dataDisksOf(call, source);
  return {
    ...storage,
    osDiskImage: { ...osDisk, sizeInGB, hostCaching },
    ...(dataDiskImages.length === 0 ? {} : { dataDiskImages }),
  };
}

/** The data disks of a machine, or of another version, which are captured with it. */
function dataDisksOf(call: Call, source: JsonObject | undefined): Json[] {
  const machine = textOf(source, 'virtualMachineId');
  const id = machine ?? textOf(source, 'id');
  const found = id === undefined ? undefined : call.world.resources.find(id);
  const storage = found && objectOf(propertiesOf(found), 'storageProfile');
  if (machine === undefined) return [...objectsOf(storage, 'dataDiskImages')];
  return objectsOf(storage, 'dataDisks').map((disk) => ({
    lun: disk['lun'] ?? 0,
    sizeInGB: sizeIn(disk, 'diskSizeGB'),
    hostCaching: textOf(disk, 'caching') ?? 'None',
  }));
}

/** A machine, whose state must be that of the definition's images. */
function sizeOfMachine(call: Call, id: string, location: string): number {
  const found = call.source(id);
  requireReady(found);
  requireRegion(found, location);
  const definition = call.world.resources.find(parentId(call.id));
  const wanted = definition && textOf(propertiesOf(definition), 'osState');
  const generalized = found.machine?.generalized === true;
  if ((wanted === 'Specialized') === generalized)
    throw new ArmError(
      409,
      'OperationNotAllowed',
      `The source virtual machine '${id}' is ${generalized ? '' : 'not '}generalized, but the gallery image is ${wanted ?? 'Generalized'}.`,
      { target: `${at}.source.virtualMachineId` },
    );
  const osDisk = objectOf(objectOf(propertiesOf(found), 'storageProfile'), 'osDisk');
  if (objectOf(osDisk, 'diffDiskSettings') !== undefined)
    throw new ArmError(
      409,
      'OperationNotAllowed',
      `The source virtual machine '${id}' has an ephemeral OS disk, which can't be captured.`,
    );
  return sizeIn(osDisk, 'diskSizeGB');
}

function sizeOfSource(call: Call, source: JsonObject, location: string): number {
  const machine = textOf(source, 'virtualMachineId');
  if (machine !== undefined && Object.keys(source).length === 1)
    return sizeOfMachine(call, machine, location);
  const id = textOf(source, 'id') ?? textOf(source, 'communityGalleryImageId');
  if (id === undefined || Object.keys(source).length !== 1)
    throw invalidParameter(`${at}.source`, 'Exactly one source must be given, by its id.');
  const open = publicSource(call.world, call.subscription, id, location);
  const isCommunity = /^\/communityGalleries\//i.test(id);
  if (isCommunity !== (source['communityGalleryImageId'] !== undefined))
    throw invalidParameter(
      `${at}.source`,
      'An image of a community gallery is named by communityGalleryImageId.',
    );
  if (open !== undefined) return sizeOfVersion(open);
  const found = call.source(id);
  requireReady(found);
  if (isOfType(id, 'Microsoft.Compute/galleries/images/versions')) {
    const profile = objectOf(propertiesOf(found), 'publishingProfile');
    const regions = profile?.['targetRegions'];
    const names = Array.isArray(regions) ? regions.map((one) => regionName(String(one?.name))) : [];
    if (!names.includes(location)) throw wrongRegion(id, location);
    return sizeOfVersion(found);
  }
  if (!isOfType(id, 'Microsoft.Compute/images'))
    throw invalidParameter(`${at}.source.id`, `'${id}' is neither an image nor an image version.`);
  requireRegion(found, location);
  const disk = objectOf(objectOf(propertiesOf(found), 'storageProfile'), 'osDisk');
  return sizeIn(disk, 'diskSizeGB');
}

function sizeOfVersion(version: Stored): number {
  const storage = objectOf(propertiesOf(version), 'storageProfile');
  return sizeIn(objectOf(storage, 'osDiskImage'), 'sizeInGB');
}

function sizeOfDisk(call: Call, source: JsonObject | undefined, location: string): number {
  const [id, uri] = [textOf(source, 'id'), textOf(source, 'uri')];
  if ((id === undefined) === (uri === undefined))
    throw invalidParameter(`${at}.osDiskImage.source`, 'Exactly one of id and uri must be given.');
  if (uri !== undefined) {
    return sizeOfBlob(call, uri, textOf(source, 'storageAccountId'));
  }
  const found = call.source(id ?? '');
  if (
    !isOfType(found.id, 'Microsoft.Compute/disks') &&
    !isOfType(found.id, 'Microsoft.Compute/snapshots')
  )
    throw invalidParameter(
      `${at}.osDiskImage.source.id`,
      `'${id}' is neither a disk nor a snapshot.`,
    );
  requireReady(found);
  requireRegion(found, location);
  return sizeIn(propertiesOf(found), 'diskSizeGB');
}

function sizeOfBlob({ world }: Call, uri: string, accountId: string | undefined): number {
  const target = `${at}.osDiskImage.source`;
  if (accountId === undefined)
    throw invalidParameter(
      `${target}.storageAccountId`,
      'The storage account of a blob is required.',
    );
  if (world.storage?.has(uri) === true && accountId.split('/').at(-1) !== world.storage.name)
    throw invalidParameter(
      `${target}.storageAccountId`,
      `The blob '${uri}' isn't in the storage account '${accountId}'.`,
    );
  const blob = world.blobs.get(uri);
  if (blob === undefined)
    throw invalidParameter(`${target}.uri`, `The blob '${uri}' was not found.`);
  if (blob.trouble !== undefined)
    throw new ArmError(400, 'InvalidVhd', `The VHD '${uri}' can't be used. ${blob.trouble}`, {
      target: `${target}.uri`,
    });
  return Math.ceil(blob.diskSize / gib);
}

function sizeIn(object: JsonObject | undefined, field: string): number {
  const size = object?.[field];
  return typeof size === 'number' ? size : 30;
}

function requireReady(found: Stored): void {
  const state = stateOf(found);
  if (state === 'Succeeded' || state === 'Updating') return;
  throw invalidParameter(at, `The source '${found.id}' is in state ${state}.`);
}

function requireRegion(found: Stored, location: string): void {
  if (regionName(textOf(found.resource, 'location') ?? '') !== location)
    throw wrongRegion(found.id, location);
}

function wrongRegion(id: string, location: string) {
  return invalidParameter(
    `${at}.source.id`,
    `The source '${id}' must be in the location of the gallery image version, '${location}'.`,
  );
}
