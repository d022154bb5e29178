import {
  isJsonObject,
  objectOf,
  objectsOf,
  textOf,
  type JsonObject,
} from '../../control-plane/json.ts';
import type { Call } from '../call.ts';
import { invalid, required } from '../errors.ts';
import { selfLink } from '../links.ts';
import { zoneOf } from '../locations.ts';
import { instanceTemplateType } from '../resources.ts';
import type { GroupRecord } from './group-record.ts';
import { readUpdatePolicy, type GroupShape, type UpdatePolicy } from './update-policy.ts';
import { readVersions, type WantedVersion } from './versions.ts';

/** What a request says of a group. */
export interface GroupRequest {
  readonly shape: GroupShape;
  readonly versions: readonly WantedVersion[];
  readonly updatePolicy: UpdatePolicy;
  readonly baseInstanceName: string;
}

const baseName = /^[a-z]([-a-z0-9]{0,56}[a-z0-9])?$/;

/** How many zones a regional group takes by itself. */
const usualZones = 3;

/**
 * Reads the body that makes or changes a group.
 *
 * @param name - the group's, for the names of its machines.
 * @param before - the group as it is; undefined for a new one.
 */
export function readGroupRequest(
  call: Call,
  name: string,
  before: GroupRecord | undefined,
): GroupRequest {
  const { body } = call;
  const shape = before
    ? { ...before.shape, size: readSize(body['targetSize'] ?? before.shape.size) }
    : newShape(call);
  const versions = readVersions(body, (url, field) => templateLink(call, url, field));
  const kept = versions ?? before?.versions;
  if (!kept) throw required('resource.instanceTemplate');
  const policy = objectOf(body, 'updatePolicy');
  const baseInstanceName = textOf(body, 'baseInstanceName') ?? before?.baseInstanceName ?? name;
  if (!baseName.test(baseInstanceName)) {
    throw invalid('resource.baseInstanceName', baseInstanceName, 'It has at most 58 characters.');
  }
  return {
    shape,
    versions: kept,
    updatePolicy: readUpdatePolicy(policy, shape, before?.updatePolicy),
    baseInstanceName,
  };
}

/** The canonical URL of a template that a field names. */
export function templateLink(call: Call, url: string, field: string): string {
  const permission = 'compute.instanceTemplates.useReadOnly';
  return selfLink(call.referred(field, url, instanceTemplateType, permission, 'global').link);
}

/** Reads a number of machines. */
export function readSize(value: unknown, field = 'resource.targetSize'): number {
  const size = Number(value);
  if (value !== undefined && value !== '' && Number.isInteger(size) && size >= 0) return size;
  throw invalid(field, JSON.stringify(value) ?? '', 'It must be a number, and not negative.');
}

function newShape(call: Call): GroupShape {
  const { body, world } = call;
  if (body['targetSize'] === undefined) throw required('resource.targetSize');
  const size = readSize(body['targetSize']);
  const zone = zoneOf(call.location);
  if (zone !== undefined) return { size, zones: [zone], regional: false };
  const all = world.regions[call.param('region')] ?? [];
  const policy = body['distributionPolicy'];
  const named = objectsOf(isJsonObject(policy) ? policy : undefined, 'zones').map(
    (each) => textOf(each, 'zone')?.split('/').at(-1) ?? '',
  );
  const wrong = named.find((each) => !all.includes(each));
  if (wrong !== undefined) {
    throw invalid('resource.distributionPolicy.zones', wrong, 'It is no zone of the region.');
  }
  const zones = named.length > 0 ? named : all.slice(0, usualZones);
  return { size, zones, regional: true };
}

/** The names of machines that a request lists by URL or by name. */
export function readInstances(body: JsonObject): readonly string[] {
  const listed = body['instances'];
  if (!Array.isArray(listed)) return [];
  return listed.flatMap((url: unknown) =>
    typeof url === 'string' ? (url.split('/').at(-1) ?? []) : [],
  );
}
