import { objectOf, textOf } from '../../control-plane/json.ts';
import { listed, type Handler } from '../call.ts';
import { invalidParameter, propertyChange } from '../errors.ts';
import { isRegion, regionName } from '../regions.ts';
import { idKey, isOfType } from '../resource-id.ts';
import { newResource, propertiesOf, setProperties, type Stored, type World } from '../state.ts';
import { removePoint, showPoint } from './points.ts';

const get: Handler = (call) => {
  const found = call.target();
  if (call.parts.search.get('$expand') !== 'restorePoints')
    return { status: 200, body: found.resource };
  const restorePoints = pointsOf(call.world, found).map((point) =>
    showPoint(call.world, point, false),
  );
  const properties = { ...propertiesOf(found), restorePoints };
  return { status: 200, body: { ...found.resource, properties } };
};

const list: Handler = (call) => call.page(call.items().map(({ resource }) => listed(resource)));

/** Makes a collection, of a machine or of another collection whose points are to be copied; done at once. */
const put: Handler = (call) => {
  call.parent();
  const standing = call.world.resources.find(call.id);
  const source = textOf(objectOf(objectOf(call.body, 'properties'), 'source'), 'id');
  if (standing !== undefined) {
    const old = textOf(objectOf(propertiesOf(standing), 'source'), 'id') ?? '';
    if (source !== undefined && idKey(source) !== idKey(old)) throw propertyChange('source.id');
    standing.resource['tags'] = call.body['tags'] ?? {};
    return { status: 200, body: standing.resource };
  }
  const location = regionName(textOf(call.body, 'location') ?? '');
  if (!isRegion(location)) throw invalidParameter('location', `'${location}' is not available`);
  if (source === undefined) throw invalidParameter('source.id', 'The source is required.');
  const of = call.source(source);
  checkPlace(of, location);
  const made = newResource(call.id, call.body, {
    source: { id: of.id, location: of.resource['location'] },
    restorePointCollectionId: call.world.nextGuid(),
    provisioningState: 'Succeeded',
  });
  call.world.resources.add(made);
  return { status: 201, body: made.resource };
};

function checkPlace(of: Stored, location: string): void {
  const same = regionName(textOf(of.resource, 'location') ?? '') === location;
  if (isOfType(of.id, 'Microsoft.Compute/restorePointCollections')) {
    if (same)
      throw invalidParameter('location', 'A copy of restore points must be in another region.');
    return;
  }
  if (!isOfType(of.id, 'Microsoft.Compute/virtualMachines'))
    throw invalidParameter('source.id', `'${of.id}' is neither a machine nor a collection.`);
  if (!same)
    throw invalidParameter('location', 'The collection must be in the region of its machine.');
}

const patch: Handler = (call) => {
  const found = call.target();
  const { tags } = call.body;
  if (tags !== undefined) found.resource['tags'] = tags;
  return { status: 200, body: found.resource };
};

/** Deletes a collection with all that is in it. */
const remove: Handler = (call) => {
  const found = call.world.resources.find(call.id);
  if (found === undefined) return { status: 204 };
  setProperties(found, { provisioningState: 'Deleting' });
  return call.start(
    {
      collection: 'operations',
      location: textOf(found.resource, 'location') ?? '',
      async finish() {
        for (const point of pointsOf(call.world, found)) await removePoint(call.world, point);
        call.world.resources.remove(found);
      },
      failed: () => setProperties(found, { provisioningState: 'Failed' }),
    },
    { status: 202 },
  );
};

function pointsOf(world: World, { id }: Stored): readonly Stored[] {
  return world.resources.below(`${id}/restorePoints/`);
}

export const collections = { get, list, put, patch, remove } as const;
