import type { ProviderParts } from './tokens.ts';

/** The name of something that a plugin binds. */
export type PartName = keyof ProviderParts;

/** The methods that each part must have; what a trait promises comes on top. */
const methods: Readonly<Record<PartName, readonly string[]>> = {
  images: ['get', 'list', 'create', 'update', 'delete'],
  owned: ['list', 'delete'],
  connection: ['check', 'sameId', 'resume'],
  deprecation: ['set'],
  publishing: ['publish', 'withdraw'],
  sharing: ['grant', 'list', 'revoke'],
  machineImages: ['get', 'list', 'create', 'delete', 'restore'],
  snapshots: ['get', 'list', 'create', 'delete'],
  disks: ['get', 'list', 'create', 'delete'],
  instances: ['get', 'list', 'launch', 'start', 'stop', 'delete', 'console', 'endpoint'],
  warmStarts: ['key', 'has', 'save', 'delete'],
  fleets: ['get', 'list', 'create', 'resize', 'rollOut', 'rollBack', 'delete'],
  transfer: ['import', 'export'],
  usage: ['of'],
  limits: ['quotas'],
};

const withTraits: ReadonlySet<PartName> = new Set([
  'images',
  'deprecation',
  'publishing',
  'sharing',
  'machineImages',
  'instances',
  'fleets',
  'transfer',
]);

/** Methods that must be there exactly when a trait is true. */
const promised: readonly (readonly [PartName, trait: string, method: string])[] = [
  ['publishing', 'nativeHead', 'head'],
  ['sharing', 'consumerAccepts', 'accept'],
  ['sharing', 'consumerAccepts', 'reject'],
  ['fleets', 'pause', 'pause'],
  ['fleets', 'pause', 'unpause'],
];

/** Says what is wrong with the shape of a part, in words; empty when nothing is. */
export function findFaults(part: PartName, value: unknown): readonly string[] {
  if (value === undefined) return [`${part} is not bound`];
  if (typeof value !== 'object' || value === null) return [`${part} is not an object`];
  const has = (method: string): boolean => typeof Reflect.get(value, method) === 'function';
  const faults = methods[part]
    .filter((method) => !has(method))
    .map((method) => `${part}.${method} is not a function`);
  if (part === 'connection' && typeof Reflect.get(value, 'project') !== 'string') {
    faults.push('connection.project is not a string');
  }
  if (!withTraits.has(part)) return faults;
  const traits: unknown = Reflect.get(value, 'traits');
  if (typeof traits !== 'object' || traits === null)
    return [...faults, `${part}.traits is missing`];
  for (const [owner, trait, method] of promised) {
    if (owner !== part) continue;
    const promise = Reflect.get(traits, trait) === true;
    if (promise === has(method)) continue;
    faults.push(
      promise
        ? `${part}.traits.${trait} is true, but ${part}.${method} is missing`
        : `${part}.${method} is there, but ${part}.traits.${trait} is not true`,
    );
  }
  return faults;
}
