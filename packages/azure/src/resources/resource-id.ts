import { sameName } from './names.ts';

/** The types of resources that the provider works with. */
export type ResourceType = (typeof resourceTypes)[number];

const resourceTypes = [
  'Microsoft.Compute/disks',
  'Microsoft.Compute/galleries',
  'Microsoft.Compute/galleries/images',
  'Microsoft.Compute/galleries/images/versions',
  'Microsoft.Compute/images',
  'Microsoft.Compute/restorePointCollections',
  'Microsoft.Compute/restorePointCollections/restorePoints',
  'Microsoft.Compute/snapshots',
  'Microsoft.Compute/virtualMachines',
  'Microsoft.Compute/virtualMachineScaleSets',
  'Microsoft.Compute/virtualMachineScaleSets/virtualMachines',
] as const;

/** The parts of the id of a resource. */
export interface ResourceId {
  readonly subscription: string;
  readonly resourceGroup: string;
  readonly type: ResourceType;
  /** The names in the order of the type's parts: gallery, definition, version. */
  readonly names: readonly string[];
}

const types: ReadonlyMap<string, ResourceType> = new Map(
  resourceTypes.map((type) => [type.toLowerCase(), type]),
);

const form =
  /^(?:https?:\/\/[^/]+)?\/?subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\/providers\/([^/]+)((?:\/[^/?#]+\/[^/?#]+)+)\/?$/i;

/** Reads an id in whatever case, also as the address of a resource; nothing for other texts. */
export function parseResourceId(id: string | undefined): ResourceId | undefined {
  const [, subscription, resourceGroup, namespace, rest = ''] = form.exec(id ?? '') ?? [];
  const parts = rest.split('/').slice(1);
  const kinds = parts.filter((_, index) => index % 2 === 0);
  const type = types.get([namespace, ...kinds].join('/').toLowerCase());
  if (subscription === undefined || resourceGroup === undefined || type === undefined)
    return undefined;
  return { subscription, resourceGroup, type, names: parts.filter((_, index) => index % 2 === 1) };
}

/** Reads an id of one type; nothing for ids of others. */
export function parseIdOf(type: ResourceType, id: string | undefined): ResourceId | undefined {
  const found = parseResourceId(id);
  return found?.type === type ? found : undefined;
}

/** The id of a resource, in the form that Azure documents. */
export function formatId({ subscription, resourceGroup, type, names }: ResourceId): string {
  const [namespace = '', ...kinds] = type.split('/');
  const path = kinds.map((kind, index) => `${kind}/${names[index] ?? ''}`).join('/');
  return `/subscriptions/${subscription}/resourceGroups/${resourceGroup}/providers/${namespace}/${path}`;
}

/** The id in its documented form; what isn't one stays as it is. */
export function plainId(id: string): string {
  const found = parseResourceId(id);
  return found === undefined ? id : formatId(found);
}

/** Azure writes ids in one case here and in another there: what is in the provider's own resource group gets its spelling. */
export function ownSpelling(id: string, own: ResourceId): string {
  const found = parseResourceId(id);
  if (found === undefined) return id;
  const { subscription, resourceGroup } = own;
  const ours =
    sameName(found.subscription, subscription) && sameName(found.resourceGroup, resourceGroup);
  return formatId(ours ? { ...found, subscription, resourceGroup } : found);
}

/** Whether two ids name the same resource: Azure doesn't tell ids apart that differ in case. */
export function sameId(a: string, b: string): boolean {
  return plainId(a).toLowerCase() === plainId(b).toLowerCase();
}

/** The image definition that a version belongs to. */
export function definitionOf(version: ResourceId): ResourceId {
  return {
    ...version,
    type: 'Microsoft.Compute/galleries/images',
    names: version.names.slice(0, 2),
  };
}
