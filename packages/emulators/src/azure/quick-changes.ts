import { objectOf, textOf, type JsonObject } from '../control-plane/json.ts';
import { merged, type Handler } from './call.ts';
import { ArmError, invalidParameter } from './errors.ts';
import { deletedBelow } from './galleries/soft-deletion.ts';
import { isRegion } from './regions.ts';
import { newResource, setProperties, type Stored, type World } from './state.ts';

// Changes that are alike for all resources that are made in a moment: galleries, definitions, managed images.

/** Refuses what still has something in it. */
function requireEmpty(stored: Stored, nested: readonly Stored[]): void {
  if (nested.length === 0) return;
  const ids = nested.map(({ id }) => `'${id}'`).join(', ');
  throw new ArmError(
    409,
    'CannotDeleteResource',
    `Cannot delete resource while nested resources exist. Some existing nested resource IDs include: ${ids}. Please delete all nested resources before deleting this resource.`,
    { target: stored.id },
  );
}

/**
 * Deletes what nothing is in.
 *
 * @param behind - removes what stands behind it.
 */
export const removeEmpty =
  (nested: string, behind?: (world: World, stored: Stored) => Promise<void>): Handler =>
  (call) => {
    const found = call.world.resources.find(call.id);
    if (found === undefined) return { status: 204 };
    requireEmpty(found, [
      ...call.world.resources.below(`${found.id}/${nested}/`),
      ...deletedBelow(call.world, found.id).map(({ stored }) => stored),
    ]);
    setProperties(found, { provisioningState: 'Deleting' });
    return call.start(
      {
        collection: 'capsOperations',
        location: textOf(found.resource, 'location') ?? '',
        async finish() {
          await behind?.(call.world, found);
          call.world.resources.remove(found);
        },
        failed: () => setProperties(found, { provisioningState: 'Failed' }),
      },
      { status: 202 },
    );
  };

/**
 * Makes or replaces what is done in a moment: 201 with an operation, then 200.
 *
 * @param behind - makes what stands behind it.
 */
export function putSimple(
  call: Parameters<Handler>[0],
  more: JsonObject,
  behind?: (made: Stored) => Promise<void>,
): ReturnType<Handler> {
  const location = textOf(call.body, 'location') ?? '';
  if (!isRegion(location)) throw invalidParameter('location', `'${location}' is not available`);
  const standing = call.world.resources.find(call.id);
  const properties = { ...objectOf(call.body, 'properties'), ...more };
  const made = newResource(standing?.id ?? call.id, call.body, {
    ...properties,
    provisioningState: standing === undefined ? 'Creating' : 'Updating',
  });
  call.world.resources.add(made);
  return call.start(
    {
      collection: 'capsOperations',
      location: textOf(made.resource, 'location') ?? '',
      async finish() {
        if (standing === undefined) await behind?.(made);
        setProperties(made, { provisioningState: 'Succeeded' });
      },
      failed: () => setProperties(made, { provisioningState: 'Failed' }),
    },
    { status: standing === undefined ? 201 : 200, body: { ...made.resource } },
  );
}

/** Changes what is done in a moment. */
export function patchSimple(call: Parameters<Handler>[0], found: Stored): ReturnType<Handler> {
  const { tags } = call.body;
  if (tags !== undefined) found.resource['tags'] = tags;
  const properties = merged(found.resource['properties'], call.body['properties'] ?? {});
  found.resource['properties'] = properties;
  setProperties(found, { provisioningState: 'Updating' });
  return call.start(
    {
      collection: 'capsOperations',
      location: textOf(found.resource, 'location') ?? '',
      finish: () => setProperties(found, { provisioningState: 'Succeeded' }),
      failed: () => setProperties(found, { provisioningState: 'Failed' }),
      result: () => found.resource,
    },
    { status: 200, body: { ...found.resource } },
  );
}
