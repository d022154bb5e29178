import {
  objectOf,
  objectsOf,
  textOf,
  type Json,
  type JsonObject,
} from '../../control-plane/json.ts';
import { listed, type Call, type Handler } from '../call.ts';
import { ArmError, invalidParameter } from '../errors.ts';
import { isRegion } from '../regions.ts';
import { idKey } from '../resource-id.ts';
import { newResource, propertiesOf, setProperties, type Stored } from '../state.ts';

/** The lists in a network's resources whose items are resources themselves. */
type Nested = 'subnets' | 'securityRules';

/** What can be done to the resources of a network. */
export function networkHandlers(nested?: Nested) {
  const get: Handler = (call) => ({ status: 200, body: shown(call, call.target(), nested) });

  const list: Handler = (call) =>
    call.page(call.items().map((one) => listed(shown(call, one, nested))));

  /** Makes a resource, or replaces it as a whole: what is in it and isn't named goes. */
  const put: Handler = (call) => {
    call.parent();
    const location = textOf(call.body, 'location');
    if (location !== undefined && !isRegion(location))
      throw invalidParameter('location', `'${location}' is not available`);
    const standing = call.world.resources.find(call.id);
    const { [nested ?? '']: items, ...own } = objectOf(call.body, 'properties') ?? {};
    for (const id of referencesIn(own)) requireThere(call, id);
    const made = newResource(standing?.id ?? call.id, call.body, {
      ...(standing && kept(standing)),
      ...own,
      provisioningState: 'Updating',
    });
    call.world.resources.add(made);
    if (nested !== undefined) replaceNested(call, made, nested, items);
    return call.start(
      {
        namespace: 'Microsoft.Network',
        collection: 'operations',
        location: textOf(made.resource, 'location') ?? 'eastus',
        finish: () => setProperties(made, { provisioningState: 'Succeeded' }),
        failed: () => setProperties(made, { provisioningState: 'Failed' }),
        result: () => shown(call, made, nested),
      },
      { status: standing === undefined ? 201 : 200, body: shown(call, made, nested) },
    );
  };

  const remove: Handler = (call) => {
    const found = call.world.resources.find(call.id);
    if (found === undefined) return { status: 204 };
    requireUnused(call, found);
    setProperties(found, { provisioningState: 'Deleting' });
    return call.start(
      {
        namespace: 'Microsoft.Network',
        collection: 'operations',
        location: textOf(found.resource, 'location') ?? 'eastus',
        finish() {
          for (const one of nested ? call.world.resources.below(`${found.id}/${nested}/`) : [])
            call.world.resources.remove(one);
          call.world.resources.remove(found);
        },
        failed: () => setProperties(found, { provisioningState: 'Failed' }),
      },
      { status: 202 },
    );
  };
  return { get, list, put, remove };
}

/** What the platform itself gave a resource. */
function kept(standing: Stored): JsonObject {
  const { ipAddress, virtualMachine } = propertiesOf(standing);
  return {
    ...(ipAddress === undefined ? {} : { ipAddress }),
    ...(virtualMachine === undefined ? {} : { virtualMachine }),
  };
}

function replaceNested(call: Call, parent: Stored, nested: Nested, items: Json | undefined): void {
  const { resources } = call.world;
  const wanted = objectsOf({ items }, 'items');
  const names = new Set(wanted.map((item) => idKey(textOf(item, 'name') ?? '')));
  for (const one of resources.below(`${parent.id}/${nested}/`)) {
    if (names.has(idKey(textOf(one.resource, 'name') ?? ''))) continue;
    requireUnused(call, one);
    resources.remove(one);
  }
  for (const item of wanted) {
    const properties = objectOf(item, 'properties') ?? {};
    for (const id of referencesIn(properties)) requireThere(call, id);
    const id = `${parent.id}/${nested}/${textOf(item, 'name') ?? ''}`;
    resources.add(newResource(id, {}, { ...properties, provisioningState: 'Succeeded' }));
  }
}

function shown(call: Call, stored: Stored, nested: Nested | undefined): JsonObject {
  const { location, ...rest } = stored.resource;
  const whole = { ...rest, ...(location === '' ? {} : { location }) };
  if (nested === undefined) return whole;
  const items = call.world.resources.below(`${stored.id}/${nested}/`);
  const properties = { ...propertiesOf(stored), [nested]: items.map(({ resource }) => resource) };
  return { ...whole, properties };
}

/** The ids of all that a part of a resource names. */
function referencesIn(part: Json | undefined): readonly string[] {
  if (Array.isArray(part)) return part.flatMap(referencesIn);
  if (typeof part !== 'object' || part === null) return [];
  return Object.entries(part).flatMap(([key, value]) =>
    key === 'id' && typeof value === 'string' ? [value] : referencesIn(value),
  );
}

function requireThere(call: Call, id: string): void {
  if (call.world.resources.find(id) !== undefined) return;
  throw new ArmError(
    400,
    'InvalidResourceReference',
    `Resource ${id} referenced by resource ${call.id} was not found. Please make sure that the referenced resource exists, and that both resources are in the same region.`,
  );
}

/** Refuses to delete what another resource of a network names. */
function requireUnused(call: Call, found: Stored): void {
  const own = idKey(found.id);
  const machine = textOf(objectOf(propertiesOf(found), 'virtualMachine'), 'id');
  if (machine !== undefined)
    throw new ArmError(
      400,
      'NicInUse',
      `Network Interface ${found.id} is used by existing resource ${machine}. In order to delete the network interface, it must be dissociated from the resource.`,
    );
  for (const id of call.world.resources.ids()) {
    if (!/\/providers\/Microsoft\.Network\//i.test(id) || idKey(id).startsWith(own)) continue;
    const other = call.world.resources.find(id);
    const named = referencesIn(other && propertiesOf(other)).some(
      (one) => idKey(one) === own || idKey(one).startsWith(`${own}/`),
    );
    if (named)
      throw new ArmError(
        400,
        'InUseResourceCannotBeDeleted',
        `${found.id} is in use by ${id} and cannot be deleted.`,
      );
  }
}
