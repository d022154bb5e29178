import {
  objectOf,
  objectsOf,
  textOf,
  type Json,
  type JsonObject,
} from '../../control-plane/json.ts';
import type { Call, Handler } from '../call.ts';
import { conflict, invalidParameter } from '../errors.ts';
import { idKey, isOfType, parentId } from '../resource-id.ts';
import {
  newResource,
  propertiesOf,
  setProperties,
  stateOf,
  type Stored,
  type World,
} from '../state.ts';

const get: Handler = (call) => {
  const expand = call.parts.search.get('$expand') === 'instanceView';
  return { status: 200, body: showPoint(call.world, call.target(), expand) };
};

/** Takes a restore point: of all disks of a machine at the same moment, or as a copy from another region. */
const put: Handler = (call) => {
  const collection = call.parent();
  if (stateOf(collection) === 'Deleting')
    throw conflict(`The collection '${collection.id}' is being deleted.`);
  if (call.world.resources.find(call.id) !== undefined)
    throw conflict(`Changing property 'restorePoint' is not allowed: '${call.id}' exists.`);
  const properties = objectOf(call.body, 'properties') ?? {};
  const copied = textOf(objectOf(properties, 'sourceRestorePoint'), 'id');
  const sourceId = textOf(objectOf(propertiesOf(collection), 'source'), 'id') ?? '';
  const fromCollection = isOfType(sourceId, 'Microsoft.Compute/restorePointCollections');
  if (fromCollection !== (copied !== undefined))
    throw invalidParameter(
      'sourceRestorePoint',
      'It is for copies into another region, and needed there.',
    );
  const made = newResource(
    call.id,
    {},
    {
      ...(copied === undefined
        ? ofMachine(call, sourceId, properties)
        : ofPoint(call, sourceId, copied)),
      timeCreated: call.now,
      provisioningState: 'Creating',
    },
  );
  // Restore points have neither a place nor tags of their own.
  const { location: _, tags: __, ...resource } = made.resource;
  const point: Stored = { id: made.id, resource, copying: undefined };
  const disks = diskPointsOf(call, point, collection);
  call.world.resources.add(point);
  for (const disk of disks) call.world.resources.add(disk);
  if (copied !== undefined)
    point.copying = { startedAt: call.world.clock.now(), ms: Math.max(1, call.ms) };
  return call.start(
    {
      collection: 'operations',
      location: textOf(collection.resource, 'location') ?? '',
      async finish() {
        for (const disk of disks) await keepBytes(call.world, disk);
        point.copying = undefined;
        setProperties(point, { provisioningState: 'Succeeded' });
      },
      failed: () => setProperties(point, { provisioningState: 'Failed' }),
      result: () => point.resource,
    },
    { status: 201, body: { ...point.resource } },
  );
};

/** What is kept of a machine: its configuration, but for its secrets, and its disks but those that are left out. */
function ofMachine(call: Call, id: string, properties: JsonObject): JsonObject {
  const machine = call.source(id);
  if (stateOf(machine) !== 'Succeeded')
    throw conflict(`The machine '${id}' is ${stateOf(machine)}.`);
  const told = propertiesOf(machine);
  const storage = objectOf(told, 'storageProfile') ?? {};
  const osDisk = objectOf(storage, 'osDisk');
  const wanted = textOf(properties, 'consistencyMode') ?? 'ApplicationConsistent';
  const isLinux = textOf(osDisk, 'osType') !== 'Windows';
  const excluded = objectsOf(properties, 'excludeDisks').map((disk) =>
    idKey(textOf(disk, 'id') ?? ''),
  );
  const { securityProfile, licenseType, diagnosticsProfile, hardwareProfile, vmId } = told;
  const { adminPassword: _, customData: __, ...osProfile } = objectOf(told, 'osProfile') ?? {};
  return {
    consistencyMode:
      wanted === 'ApplicationConsistent' && isLinux ? 'FileSystemConsistent' : wanted,
    excludeDisks: properties['excludeDisks'],
    sourceMetadata: {
      hardwareProfile,
      securityProfile,
      licenseType,
      diagnosticsProfile,
      vmId,
      osProfile,
      location: machine.resource['location'],
      hyperVGeneration: 'V2',
      userData: machine.machine?.userData,
      storageProfile: {
        osDisk: keptDisk(osDisk, excluded),
        dataDisks: objectsOf(storage, 'dataDisks')
          .map((disk) => keptDisk(disk, excluded))
          .filter((disk) => disk !== undefined),
      },
    },
  };
}

function keptDisk(
  disk: JsonObject | undefined,
  excluded: readonly string[],
): JsonObject | undefined {
  const { osType, name, caching, diskSizeGB, managedDisk, lun, writeAcceleratorEnabled } =
    disk ?? {};
  const id = textOf(objectOf(disk, 'managedDisk'), 'id');
  if (id === undefined || excluded.includes(idKey(id))) return undefined;
  return { lun, osType, name, caching, diskSizeGB, managedDisk, writeAcceleratorEnabled };
}

/** A copy has what its source has. */
function ofPoint(call: Call, collection: string, copied: string): JsonObject {
  const source = call.source(copied);
  if (idKey(parentId(source.id)) !== idKey(collection))
    throw invalidParameter('sourceRestorePoint.id', `'${copied}' is not in '${collection}'.`);
  if (stateOf(source) !== 'Succeeded') throw conflict(`'${copied}' is ${stateOf(source)}.`);
  const { provisioningState: _, timeCreated: __, ...kept } = propertiesOf(source);
  return { ...kept, sourceRestorePoint: { id: source.id } };
}

/** The disks of a restore point; each is named in it. */
function diskPointsOf(call: Call, point: Stored, collection: Stored): readonly Stored[] {
  const metadata = objectOf(propertiesOf(point), 'sourceMetadata') ?? {};
  const storage = objectOf(metadata, 'storageProfile') ?? {};
  const made: Stored[] = [];
  const withPoint = (disk: JsonObject): JsonObject => {
    const id = `${point.id}/diskRestorePoints/${textOf(disk, 'name') ?? 'disk'}_${call.world.nextGuid()}`;
    const before = textOf(objectOf(disk, 'diskRestorePoint'), 'id');
    const diskPoint = newResource(
      id,
      { location: collection.resource['location'] },
      {
        sourceResourceId: before ?? textOf(objectOf(disk, 'managedDisk'), 'id'),
        osType: disk['osType'],
        diskSizeGB: disk['diskSizeGB'],
        timeCreated: call.now,
        hyperVGeneration: 'V2',
      },
    );
    made.push(diskPoint);
    return { ...disk, diskRestorePoint: { id } };
  };
  const osDisk = objectOf(storage, 'osDisk');
  const storageProfile = {
    ...storage,
    ...(osDisk === undefined ? {} : { osDisk: withPoint(osDisk) }),
    dataDisks: objectsOf(storage, 'dataDisks').map(withPoint),
  };
  setProperties(point, { sourceMetadata: { ...metadata, storageProfile } });
  return made;
}

async function keepBytes({ hardware, contents }: World, disk: Stored): Promise<void> {
  const source = textOf(propertiesOf(disk), 'sourceResourceId') ?? '';
  contents?.share(disk.id, source);
  if (isOfType(source, 'Microsoft.Compute/disks'))
    await hardware?.createSnapshot(idKey(disk.id), idKey(source));
}

/** A restore point as answers have it; with its instance view, how far each disk of a copy is. */
export function showPoint(world: World, point: Stored, expand: boolean): JsonObject {
  if (!expand) return point.resource;
  const { copying } = point;
  const share = copying === undefined ? 1 : (world.clock.now() - copying.startedAt) / copying.ms;
  const completionPercent = Math.max(0, Math.min(100, Math.floor(share * 100)));
  const code = `ReplicationState/${completionPercent === 100 ? 'succeeded' : 'inProgress'}`;
  const diskRestorePoints: Json[] = world.resources
    .below(`${point.id}/diskRestorePoints/`)
    .map(({ id }) => ({
      id,
      replicationStatus: { status: { code, level: 'Info' }, completionPercent },
    }));
  const properties = { ...propertiesOf(point), instanceView: { diskRestorePoints } };
  return { ...point.resource, properties };
}

/** Removes a restore point with its disks. */
export async function removePoint(world: World, point: Stored): Promise<void> {
  for (const disk of world.resources.below(`${point.id}/diskRestorePoints/`)) {
    await world.hardware?.deleteSnapshot(idKey(disk.id));
    world.resources.remove(disk);
  }
  world.resources.remove(point);
}

const remove: Handler = (call) => {
  const point = call.world.resources.find(call.id);
  if (point === undefined) return { status: 204 };
  const collection = call.parent();
  setProperties(point, { provisioningState: 'Deleting' });
  return call.start(
    {
      collection: 'operations',
      location: textOf(collection.resource, 'location') ?? '',
      finish: () => removePoint(call.world, point),
      failed: () => setProperties(point, { provisioningState: 'Failed' }),
    },
    { status: 202 },
  );
};

const disks: Handler = (call) => call.page(call.items().map(({ resource }) => resource));
const disk: Handler = (call) => ({ status: 200, body: call.target().resource });

export const points = { get, put, remove, disks, disk } as const;
