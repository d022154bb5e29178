import { objectOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import { listed, type Call, type Handler } from '../call.ts';
import { marketplaceSource } from '../marketplace/marketplace.ts';
import { publicSource } from '../public-galleries/public-galleries.ts';
import { ArmError, invalidParameter, propertyChange } from '../errors.ts';
import { isRegion, regionName } from '../regions.ts';
import { makeReal, removeReal } from './real-disks.ts';
import { newResource, propertiesOf, setProperties, type Stored } from '../state.ts';

const gib = 2 ** 30;

const get: Handler = (call) => ({ status: 200, body: call.target().resource });

const listInGroup: Handler = (call) =>
  call.page(call.items().map(({ resource }) => listed(resource)));

/** Makes a disk or a snapshot, of what its creation data says. */
const put: Handler = (call) => {
  call.parent();
  if (!/^[A-Za-z0-9_](?:[\w.-]{0,78}\w)?$/.test(call.name))
    throw invalidParameter('name', `'${call.name}' is no name of a disk or snapshot.`);
  const location = regionName(textOf(call.body, 'location') ?? '');
  if (!isRegion(location)) throw invalidParameter('location', `'${location}' is not available`);
  const properties = objectOf(call.body, 'properties') ?? {};
  const creationData = objectOf(properties, 'creationData') ?? {};
  const standing = call.world.resources.find(call.id);
  if (standing !== undefined) return replace(call, standing, creationData);

  const least = sizeOf(call, creationData, location);
  const wanted = properties['diskSizeGB'];
  if (least === undefined && wanted === undefined)
    throw invalidParameter('disk.properties.diskSizeGB', 'An empty disk needs a size.');
  const source = idOfSource(creationData);
  const known = source === undefined ? undefined : call.world.contents?.sizeOf(source);
  const diskSizeGB = typeof wanted === 'number' ? wanted : (least ?? 1);
  if (least !== undefined && diskSizeGB < least)
    throw invalidParameter(
      'disk.properties.diskSizeGB',
      `The size must be at least ${least}, that of the source.`,
    );
  const made = newResource(call.id, call.body, {
    ...properties,
    diskSizeGB,
    diskSizeBytes: wanted === undefined ? (known ?? diskSizeGB * gib) : diskSizeGB * gib,
    diskState: 'Unattached',
    timeCreated: call.now,
    uniqueId: call.world.nextGuid(),
    provisioningState: 'Creating',
  });
  call.world.resources.add(made);
  return work(call, made, true);
};

/** A PUT on what stands: what a disk was made of can't change. */
function replace(call: Call, standing: Stored, creationData: JsonObject): ReturnType<Handler> {
  const old = propertiesOf(standing);
  if (
    JSON.stringify(creationData).toLowerCase() !== JSON.stringify(old['creationData']).toLowerCase()
  )
    throw propertyChange('creationData');
  standing.resource['tags'] = call.body['tags'] ?? {};
  return work(call, standing);
}

function work(call: Call, made: Stored, isNew = false): ReturnType<Handler> {
  const body = { ...made.resource };
  return call.start(
    {
      collection: 'DiskOperations',
      location: textOf(made.resource, 'location') ?? '',
      async finish() {
        if (isNew) await makeReal(call.world, made);
        const source = idOfSource(objectOf(propertiesOf(made), 'creationData') ?? {});
        if (source !== undefined) call.world.contents?.share(made.id, source);
        setProperties(made, { provisioningState: 'Succeeded' });
      },
      failed: () => setProperties(made, { provisioningState: 'Failed' }),
    },
    { status: 202, body },
  );
}

const remove: Handler = (call) => {
  const found = call.world.resources.find(call.id);
  if (found === undefined) return { status: 204 };
  const user = textOf(found.resource, 'managedBy');
  if (user !== undefined)
    throw new ArmError(409, 'OperationNotAllowed', `Disk ${call.name} is attached to VM ${user}.`);
  if (propertiesOf(found)['diskState'] === 'ActiveSAS')
    throw new ArmError(
      409,
      'OperationNotAllowed',
      `There is an active shared access signature outstanding for disk '${call.name}'. Call EndGetAccess before deleting the disk.`,
    );
  setProperties(found, { provisioningState: 'Deleting' });
  return call.start(
    {
      collection: 'DiskOperations',
      location: textOf(found.resource, 'location') ?? '',
      async finish() {
        await removeReal(call.world, found);
        call.world.resources.remove(found);
      },
      failed: () => setProperties(found, { provisioningState: 'Failed' }),
    },
    { status: 202 },
  );
};

/** The id of what it is made of, as far as that has bytes. */
function idOfSource(creationData: JsonObject): string | undefined {
  const gallery = objectOf(creationData, 'galleryImageReference');
  return textOf(gallery, 'id') ?? textOf(creationData, 'sourceResourceId');
}

/** The size of what it is made of, in GiB; nothing for an empty one. */
function sizeOf(call: Call, creationData: JsonObject, location: string): number | undefined {
  const option = textOf(creationData, 'createOption');
  if (option === 'Empty') return undefined;
  if (option === 'FromImage') {
    const platform = textOf(objectOf(creationData, 'imageReference'), 'id');
    const plan = objectOf(objectOf(call.body, 'properties'), 'purchasePlan');
    const bought = platform && marketplaceSource(call.world, platform, plan);
    if (bought) return bought.sizeInGB ?? 30;
    const gallery = objectOf(creationData, 'galleryImageReference');
    const open =
      textOf(gallery, 'sharedGalleryImageId') ?? textOf(gallery, 'communityGalleryImageId');
    const id = open ?? textOf(gallery, 'id') ?? platform;
    if (id === undefined)
      throw invalidParameter(
        'creationData.galleryImageReference',
        'It is required with FromImage.',
      );
    const source = open && publicSource(call.world, call.subscription, open, location);
    const image = objectOf(propertiesOf(source || call.source(id)), 'storageProfile');
    const managed = objectOf(image, 'osDisk')?.['diskSizeGB'];
    return Number(managed ?? objectOf(image, 'osDiskImage')?.['sizeInGB'] ?? 0);
  }
  const id = textOf(creationData, 'sourceResourceId');
  if ((option !== 'Copy' && option !== 'Restore') || id === undefined)
    throw invalidParameter(
      'creationData',
      `createOption ${option} is not emulated, or lacks its source.`,
    );
  const source = call.source(id);
  if (regionName(textOf(source.resource, 'location') ?? '') !== location)
    throw invalidParameter('creationData.sourceResourceId', `The source must be in '${location}'.`);
  return Number(propertiesOf(source)['diskSizeGB'] ?? 0);
}

export const disks = { get, listInGroup, put, remove } as const;
