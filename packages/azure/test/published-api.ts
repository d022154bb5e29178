import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import type { LoggedRequest } from '@imgkit/emulators';

import { isWireObject, objects, text } from '../src/api/wire.ts';

// Azure's published descriptions of its API, where they lie beside the repository.
const archive = join(
  import.meta.dirname,
  '../../../../shared/specs/azure/azure-openapi-compute-gallery.tar.gz',
);
/** Whether they are there, and what to say when they aren't. */
export const isPublished = existsSync(archive);
export const unpublished = 'the published descriptions of Azure’s API are not here';

const root = 'specification/compute/resource-manager/Microsoft.Compute';
const machines = `${root}/ComputeRP/stable/2024-07-01`;
const disks = `${root}/DiskRP/stable/2024-03-02`;
export const galleries = `${root}/GalleryRP/stable/2023-07-03/gallery.json`;
const described = [
  galleries,
  `${root}/GalleryRP/stable/2023-07-03/communityGallery.json`,
  `${root}/GalleryRP/stable/2023-07-03/sharedGallery.json`,
  ...['disk', 'snapshot', 'diskRestorePoint'].map((name) => `${disks}/${name}.json`),
  ...[
    'computeRPCommon',
    'image',
    'restorePoint',
    'runCommand',
    'virtualMachine',
    'virtualMachineImage',
    'virtualMachineScaleSet',
  ].map((name) => `${machines}/${name}.json`),
  'specification/authorization/resource-manager/Microsoft.Authorization/stable/2022-04-01/authorization-RoleAssignmentsCalls.json',
];
/** What the SDK's versions of the API have, and the published ones have not yet: fields, and words, by where they end. */
const newer =
  /\.(?:blockDeletionBeforeEndOfLife|restore|networkInterfaceConfigurations\.tags|publicIPAddressConfiguration\.tags|networkApiVersion)$/;

type Schema = Readonly<Record<string, unknown>>;
const files = new Map<string, Schema>();

function read(path: string): Schema {
  const known = files.get(path);
  if (known !== undefined) return known;
  const { stdout } = spawnSync('tar', ['-xzOf', archive, path], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  const content: Schema = JSON.parse(stdout);
  files.set(path, content);
  return content;
}

/** Follows references, to where a schema or a parameter stands. */
function resolved(file: string, schema: Schema): readonly [string, Schema] {
  const { $ref } = schema;
  if (typeof $ref !== 'string') return [file, schema];
  const [, path = '', collection = '', name = ''] = /^(.*)#\/(\w+)\/(.+)$/.exec($ref) ?? [];
  const target = path === '' ? file : join(file, '..', path);
  const all = read(target)[collection];
  const found = isWireObject(all) ? all[name] : undefined;
  if (!isWireObject(found)) throw new Error(`${target} has no ${name}`);
  return resolved(target, found);
}

/** What a schema has with all that it inherits: its properties, with the file that each is in, and those that must be there. */
function partsOf(file: string, schema: Schema) {
  const properties = new Map<string, readonly [string, Schema]>();
  const required = new Set<unknown>();
  const visit = (at: string, part: Schema): void => {
    const [target, whole] = resolved(at, part);
    for (const each of objects(whole, 'allOf')) visit(target, each);
    const own = isWireObject(whole['properties']) ? whole['properties'] : {};
    for (const [name, property] of Object.entries(own))
      if (isWireObject(property)) properties.set(name, [target, property]);
    for (const name of Array.isArray(whole['required']) ? whole['required'] : [])
      required.add(name);
  };
  visit(file, schema);
  return { properties, required };
}

/** What of a value a description doesn't know, doesn't take, or misses. */
export function* complaints(
  value: unknown,
  file: string,
  schema: Schema,
  path: string,
): Iterable<string> {
  const [at, whole] = resolved(file, schema);
  if (Array.isArray(value)) {
    if (isWireObject(whole['items']))
      for (const item of value) yield* complaints(item, at, whole['items'], path);
  } else if (isWireObject(value)) {
    if (whole['additionalProperties'] !== undefined) return;
    const { properties, required } = partsOf(at, whole);
    if (properties.size === 0) return; // any object
    for (const [name, each] of Object.entries(value)) {
      const property = properties.get(name);
      if (property !== undefined) yield* complaints(each, ...property, `${path}.${name}`);
      else if (!newer.test(`${path}.${name}`)) yield `${path}.${name} is not known`;
    }
    for (const name of required) {
      const isGiven = String(name) in value || properties.get(String(name))?.[1]['readOnly'];
      if (isGiven !== true) yield `${path}.${String(name)} is missing`;
    }
  } else {
    const words = whole['enum'];
    if (Array.isArray(words) && !words.includes(value) && !newer.test(path))
      yield `${path} can't be ${String(value)}`;
    if (whole['readOnly'] === true) yield `${path} is read only`;
    const { type } = whole;
    const given = typeof value === 'number' ? 'integer' : typeof value;
    if (value !== null && typeof type === 'string' && type !== given && type !== 'number')
      yield `${path} must be ${type}, not ${given}`;
  }
}

/** A call that is described. */
interface PublishedCall {
  readonly method: string;
  readonly path: RegExp;
  readonly file: string;
  readonly parameters: readonly (readonly [file: string, parameter: Schema])[];
}

let known: readonly PublishedCall[] | undefined;

function publishedCalls(): readonly PublishedCall[] {
  return described.flatMap((file) => {
    const { paths } = read(file);
    return Object.entries(isWireObject(paths) ? paths : {}).flatMap(([template, methods]) => {
      // A scope is of any length, and other names are one part of a path.
      const pattern = template
        .replaceAll('{scope}', '.+')
        .replaceAll(/\{\w+\}/g, '[^/]+')
        .replace(/^\/?/, '^/');
      return Object.entries(isWireObject(methods) ? methods : {}).map(([method, call]) => ({
        method: method.toUpperCase(),
        path: new RegExp(`${pattern}$`, 'i'),
        file,
        parameters: objects(isWireObject(call) ? call : {}, 'parameters').map((one) =>
          resolved(file, one),
        ),
      }));
    });
  });
}

/**
 * What of a request its description doesn't take.
 *
 * @returns nothing when there is no description of it.
 */
function complaintsAbout(request: LoggedRequest): readonly string[] | undefined {
  const { method, rpc = '', query, body } = request;
  const path = request.path.replace(/^\/+/, '/').replace(/\/$/, '');
  known ??= publishedCalls();
  const call = known.find(
    (one) => one.method === method && one.path.test(decodeURIComponent(path)),
  );
  if (call === undefined) return undefined;
  const placed = (place: string) =>
    call.parameters.filter(([, parameter]) => text(parameter, 'in') === place);
  const names = new Set(placed('query').map(([, parameter]) => text(parameter, 'name')));
  const wrong = Object.keys(query)
    .filter((name) => !names.has(name) && name !== '$skiptoken')
    .map((name) => `${rpc}: the query ${name} is not known`);
  const [[file, parameter] = []] = placed('body');
  if (file === undefined || parameter === undefined)
    return body === undefined ? wrong : [...wrong, `${rpc}: there must be no body`];
  if (body === undefined)
    return parameter['required'] === true ? [...wrong, `${rpc}: the body is missing`] : wrong;
  const { schema } = parameter;
  return [...wrong, ...complaints(body, file, isWireObject(schema) ? schema : {}, rpc)];
}

/** What is not in the descriptions at hand: other services, what is newer, and the addresses that Azure itself gives. */
const undescribed =
  /^(?:Operations|Subscriptions|ResourceSkus|VirtualNetworks|Subnets|NetworkSecurityGroups|SecurityRules|NetworkInterfaces|PublicIPAddresses|SoftDeletedResource)\./;

/** What is wrong with requests, and which changes are described. */
export function checked(requests: readonly LoggedRequest[]) {
  const [found, wrong] = [new Set<string>(), new Set<string>()];
  for (const request of requests) {
    const { rpc = '', method, path } = request;
    const said = complaintsAbout(request);
    if (said !== undefined && method !== 'GET') found.add(rpc);
    else if (said === undefined && !undescribed.test(rpc) && !path.startsWith('/bootdiagnostics/'))
      wrong.add(`${method} ${path} is not described`);
    for (const each of said ?? []) wrong.add(each);
  }
  return { found: [...found].toSorted(), wrong: [...wrong] };
}
