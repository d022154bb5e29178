import { objectOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import { listed, type Handler } from '../call.ts';
import { conflict, invalidParameter, propertyChange } from '../errors.ts';
import { patchSimple, putSimple, removeEmpty } from '../quick-changes.ts';
import { parentId } from '../resource-id.ts';
import { propertiesOf, type Stored } from '../state.ts';

/** What a definition can never change again. */
const fixed = ['osType', 'osState', 'hyperVGeneration', 'architecture', 'identifier'] as const;

const get: Handler = (call) => ({ status: 200, body: call.target().resource });

const list: Handler = (call) => {
  return call.page(call.items().map(({ resource }) => listed(resource)));
};

const put: Handler = (call) => {
  call.parent();
  if (!/^[A-Za-z0-9](?:[\w.-]{0,78}[A-Za-z0-9_])?$/.test(call.name))
    throw invalidParameter('galleryImageName', `'${call.name}' is no name of an image definition`);
  const properties = objectOf(call.body, 'properties') ?? {};
  const standing = call.world.resources.find(call.id);
  if (standing === undefined)
    refuseSameIdentifier(call.world.resources.below(`${parentId(call.id)}/images/`), properties);
  else refuseChanges(standing, properties);
  // Since api-version 2025-03-03; before, the generation was V1 and nothing was said of security.
  const defaults: JsonObject = {
    hyperVGeneration: 'V2',
    architecture: 'x64',
    features: [{ name: 'SecurityType', value: 'TrustedLaunchSupported' }],
  };
  return putSimple(call, { ...defaults, ...properties });
};

const patch: Handler = (call) => {
  const found = call.target();
  refuseChanges(found, objectOf(call.body, 'properties') ?? {});
  return patchSimple(call, found);
};

function refuseChanges(standing: Stored, properties: JsonObject): void {
  const old = propertiesOf(standing);
  for (const name of fixed) {
    const [before, after] = [old[name], properties[name]];
    if (after !== undefined && JSON.stringify(before) !== JSON.stringify(after))
      throw propertyChange(`galleryImage.properties.${name}`);
  }
}

/** Publisher, offer and SKU together name a definition in its gallery. */
function refuseSameIdentifier(others: readonly Stored[], properties: JsonObject): void {
  const wanted = identifierOf(properties);
  const same = others.find((other) => identifierOf(propertiesOf(other)) === wanted);
  if (same !== undefined)
    throw conflict(`The image definition '${same.id}' has the same publisher, offer and sku.`);
}

function identifierOf(properties: JsonObject): string {
  const identifier = objectOf(properties, 'identifier');
  return ['publisher', 'offer', 'sku']
    .map((part) => textOf(identifier, part) ?? '')
    .join('/')
    .toLowerCase();
}

export const imageDefinitions = { get, list, put, patch, remove: removeEmpty('versions') } as const;
