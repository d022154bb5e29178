import { objectOf, objectsOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import { listed, merged, type Call, type Handler } from '../call.ts';
import { ArmError, conflict, invalidParameter, propertyChange } from '../errors.ts';
import { readSource } from './image-sources.ts';
import { makeImage, removeImage } from './real-images.ts';
import { displayName, isRegion, regionName } from '../regions.ts';
import { regionNames, regionsOf, replicationStatus, shownRegions } from './replication.ts';
import { idKey } from '../resource-id.ts';
import { deleteVersion, restore } from './soft-deletion.ts';
import { newResource, propertiesOf, setProperties, stateOf, type Stored } from '../state.ts';

const number = /^(?:0|[1-9]\d{0,9})(?:\.(?:0|[1-9]\d{0,9})){2}$/;
const largest = 2 ** 31 - 1;

const get: Handler = (call) => {
  const found = call.target();
  if (call.parts.search.get('$expand') !== 'ReplicationStatus')
    return { status: 200, body: found.resource };
  const status = replicationStatus(found, call.world.clock.now());
  const properties = { ...propertiesOf(found), replicationStatus: status };
  return { status: 200, body: { ...found.resource, properties } };
};

const list: Handler = (call) => {
  return call.page(call.items().map(({ resource }) => listed(resource)));
};

const put: Handler = (call) => {
  call.parent();
  if (!number.test(call.name) || call.name.split('.').some((part) => Number(part) > largest))
    throw invalidParameter(
      'galleryImageVersionName',
      `'${call.name}' must be Major.Minor.Patch, of whole numbers up to ${largest}.`,
    );
  const location = regionName(textOf(call.body, 'location') ?? '');
  if (!isRegion(location)) throw invalidParameter('location', `'${location}' is not available`);
  const standing = call.world.resources.find(call.id);
  if (standing !== undefined) return replace(call, standing, location);
  if (call.world.softDeleted.has(idKey(call.id)))
    throw conflict(`The gallery image version '${call.id}' is soft-deleted. Restore or purge it.`);

  const storageProfile = readSource(call, location);
  const made = newResource(call.id, call.body, {
    provisioningState: 'Creating',
    publishingProfile: { ...publishingOf(call, location), publishedDate: call.now },
    storageProfile,
    safetyProfile: safetyOf(call),
  });
  call.world.resources.add(made);
  return work(call, made, new Set(), 201);
};

/** A PUT on what stands: everything is set anew, but the content, which never changes. */
function replace(call: Call, standing: Stored, location: string): ReturnType<Handler> {
  requireStanding(standing);
  const properties = propertiesOf(standing);
  const wanted = objectOf(objectOf(call.body, 'properties'), 'storageProfile');
  const old = objectOf(properties, 'storageProfile');
  const parts = ['source', 'osDiskImage'] as const;
  const idOf = (profile: JsonObject | undefined, part: (typeof parts)[number]) =>
    part === 'source'
      ? textOf(objectOf(profile, part), 'id')
      : textOf(objectOf(objectOf(profile, part), 'source'), 'id');
  for (const part of parts)
    if (idOf(wanted, part)?.toLowerCase() !== idOf(old, part)?.toLowerCase())
      throw propertyChange(`galleryImageVersion.properties.storageProfile.${part}`);
  const before = new Set(regionNames(regionsOf(standing)));
  const publishedDate = objectOf(properties, 'publishingProfile')?.['publishedDate'];
  const made = newResource(standing.id, call.body, {
    provisioningState: 'Updating',
    publishingProfile: { ...publishingOf(call, location), publishedDate },
    storageProfile: old,
    safetyProfile: safetyOf(call),
  });
  requireRegionsKept(standing, made);
  call.world.resources.add(made);
  return work(call, made, before, 200);
}

/** A change: only what is named changes; the tags are replaced as a whole. */
const patch: Handler = (call) => {
  if (objectOf(call.body, 'properties')?.['restore'] === true) return restore(call);
  const found = call.target();
  // What stood before a change that failed stands in the regions that it had.
  const stood = stateOf(found) === 'Failed' ? found.replication?.settled : undefined;
  if (stood === undefined || stood.size === 0) requireStanding(found);
  const before = stood ?? new Set(regionNames(regionsOf(found)));
  const { tags } = call.body;
  const change = objectOf(call.body, 'properties') ?? {};
  const { storageProfile: _, ...changes } = change;
  const properties = merged(propertiesOf(found), changes);
  const changed: Stored = { ...found, resource: { ...found.resource, properties } };
  const profile = objectOf(propertiesOf(changed), 'publishingProfile') ?? {};
  setProperties(changed, {
    publishingProfile: {
      ...profile,
      targetRegions: checkedRegions(objectsOf(profile, 'targetRegions'), profile),
    },
    provisioningState: 'Updating',
  });
  if (tags !== undefined) changed.resource['tags'] = tags;
  requireRegionsKept(found, changed);
  call.world.resources.add(changed);
  return work(call, changed, before, 200);
};

const remove: Handler = (call) => {
  const found = call.world.resources.find(call.id);
  if (found === undefined) {
    // Deleting once more what was deleted is for good.
    call.world.softDeleted.delete(idKey(call.id));
    return { status: 204 };
  }
  const state = stateOf(found);
  if (state === 'Creating' || state === 'Updating') throw busy(found);
  const properties = propertiesOf(found);
  const protects = objectOf(properties, 'safetyProfile')?.['blockDeletionBeforeEndOfLife'] === true;
  const end = textOf(objectOf(properties, 'publishingProfile'), 'endOfLifeDate');
  if (protects && end !== undefined && Date.parse(end) > call.world.clock.now())
    throw new ArmError(
      409,
      'OperationNotAllowed',
      `The gallery image version can't be deleted before its end of life, ${end}, since blockDeletionBeforeEndOfLife is set.`,
      { target: 'galleryImageVersion.properties.safetyProfile.blockDeletionBeforeEndOfLife' },
    );
  setProperties(found, { provisioningState: 'Deleting' });
  return call.start(
    {
      collection: 'capsOperations',
      location: textOf(found.resource, 'location') ?? '',
      async finish() {
        deleteVersion(call.world, found);
        if (!call.world.softDeleted.has(idKey(found.id))) await removeImage(call.world, found);
      },
      failed: () => setProperties(found, { provisioningState: 'Failed' }),
    },
    { status: 202 },
  );
};

/** Starts the work on a version; what is answered shows it as it stands then. */
function work(call: Call, made: Stored, before: ReadonlySet<string>, status: number) {
  made.replication = {
    startedAt: call.world.clock.now(),
    ms: Math.max(1, call.ms),
    settled: before,
  };
  const body = { ...made.resource };
  return call.start(
    {
      collection: 'capsOperations',
      location: textOf(made.resource, 'location') ?? '',
      async finish() {
        if (status === 201) {
          await keepContent(call, made);
          await makeImage(call.world, made);
        }
        made.replication = undefined;
        setProperties(made, { provisioningState: 'Succeeded' });
      },
      failed: () => setProperties(made, { provisioningState: 'Failed' }),
      result: () => made.resource,
    },
    { status, body },
  );
}

/** Copies the bytes of what a version is made of, as far as there are any: it doesn't depend on its source any more. */
async function keepContent({ world }: Call, made: Stored): Promise<void> {
  const storage = objectOf(propertiesOf(made), 'storageProfile');
  const disk = objectOf(objectOf(storage, 'osDiskImage'), 'source');
  const uri = textOf(disk, 'uri');
  if (uri !== undefined && world.storage?.has(uri) === true)
    await world.contents?.take(made.id, uri);
  const id = textOf(objectOf(storage, 'source'), 'id') ?? textOf(disk, 'id');
  if (id !== undefined) world.contents?.share(made.id, id);
}

function publishingOf(call: Call, location: string): JsonObject {
  const given = objectOf(objectOf(call.body, 'properties'), 'publishingProfile') ?? {};
  const wanted = objectsOf(given, 'targetRegions');
  const regions = wanted.length === 0 ? [{ name: location }] : wanted;
  if (!regionNames(regions).includes(location))
    throw invalidParameter(
      'galleryImageVersion.properties.publishingProfile.targetRegions',
      `The target regions must contain the location of the version, '${displayName(location)}'.`,
    );
  const { replicaCount = 1, storageAccountType = 'Standard_LRS' } = given;
  const filled = {
    excludeFromLatest: false,
    replicationMode: 'Full',
    ...given,
    replicaCount,
    storageAccountType,
  };
  return { ...filled, targetRegions: checkedRegions(regions, filled) };
}

function checkedRegions(regions: readonly JsonObject[], profile: JsonObject) {
  const names = regionNames(regions);
  const target = 'galleryImageVersion.properties.publishingProfile.targetRegions';
  const unknown = names.find((name) => !isRegion(name));
  if (unknown !== undefined) throw invalidParameter(target, `'${unknown}' is not a region.`);
  if (new Set(names).size < names.length)
    throw invalidParameter(target, 'A region is named twice.');
  return shownRegions(regions, {
    replicaCount: Number(profile['replicaCount'] ?? 1),
    storageAccountType: textOf(profile, 'storageAccountType') ?? 'Standard_LRS',
  });
}

function safetyOf(call: Call): JsonObject {
  return {
    allowDeletionOfReplicatedLocations: false,
    blockDeletionBeforeEndOfLife: false,
    ...objectOf(objectOf(call.body, 'properties'), 'safetyProfile'),
  };
}

function requireRegionsKept(old: Stored, changed: Stored): void {
  const kept = new Set(regionNames(regionsOf(changed)));
  const safety = objectOf(propertiesOf(changed), 'safetyProfile');
  if (safety?.['allowDeletionOfReplicatedLocations'] === true) return;
  const lost = regionNames(regionsOf(old)).find((name) => !kept.has(name));
  if (lost !== undefined)
    throw conflict(
      `The version can't be removed from '${displayName(lost)}' since allowDeletionOfReplicatedLocations isn't set.`,
    );
}

function requireStanding(stored: Stored): void {
  const state = stateOf(stored);
  if (state === 'Failed')
    throw conflict(`The gallery image version '${stored.id}' is in state Failed. Delete it first.`);
  if (state !== 'Succeeded') throw busy(stored);
}

function busy(stored: Stored): ArmError {
  return conflict(`Another operation is going on on '${stored.id}', which is ${stateOf(stored)}.`);
}

export const imageVersions = { get, list, put, patch, remove } as const;
