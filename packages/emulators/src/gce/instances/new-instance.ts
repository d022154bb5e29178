import {
  objectOf,
  objectsOf,
  textMapOf,
  textOf,
  textsOf,
  type JsonObject,
} from '../../control-plane/json.ts';
import type { Call } from '../call.ts';
import { attach } from '../disks/attachments.ts';
import { reserveDisks } from '../disks/new-disk.ts';
import { badRequest, invalid, OperationFailure, required } from '../errors.ts';
import { selfLink } from '../links.ts';
import { regionOf } from '../locations.ts';
import type { OperationPlan } from '../operations.ts';
import { reserve } from '../quotas.ts';
import { diskType, instanceType } from '../resources.ts';
import { putLabels } from '../services/labels.ts';
import { newResource } from '../state.ts';
import { checkLabels, checkName, fingerprint, timestamp } from '../values.ts';
import { addressQuota, cpuMetricOf, instanceQuota } from './instance-quotas.ts';
import { isExternal, type InstanceRecord } from './instance-record.ts';
import { instanceSource } from './instance-sources.ts';
import { findMachineType, type MachineType } from './machine-types.ts';
import { metadataProblem } from './metadata.ts';
import { readInterfaces } from './network-interfaces.ts';
import { readDisks, type InstanceDisk } from './new-disks.ts';
import { removeInstance, run } from './life.ts';
import { readScheduling } from './scheduling.ts';
import { inTurn } from './turns.ts';

const gib = 2 ** 30;

/** An instance that begins to be, and the operation that makes it. */
export interface BegunInstance {
  readonly record: InstanceRecord;
  readonly plan: OperationPlan;
}

/**
 * Checks the request for a new instance, and puts the instance and its disks there, PROVISIONING. The
 * operation makes them; when it fails, they are gone.
 */
export function beginInstance(call: Call): BegunInstance {
  const { world, project, location } = call;
  call.permit('compute.instances.create', project);
  const { body, saved, warnings } = instanceSource(call);
  const name = checkName('resource.name', textOf(body, 'name'));
  const labels = textMapOf(body, 'labels');
  checkLabels('resource.labels', labels);
  const type = readMachineType(call, body);
  const problem = metadataProblem(objectOf(body, 'metadata'));
  if (problem !== undefined) {
    throw invalid('resource.metadata', '', problem);
  }
  const scheduling = readScheduling(objectOf(body, 'scheduling'), world.clock.now());
  const networkInterfaces = readInterfaces(call, body);
  if (instanceType.find(project, location, name)) instanceType.add(blank(call, name)); // answers 409
  const disks = readDisks(call, body, name, saved);
  const shielded = shieldedConfig(body, disks);

  const record = blank(call, name);
  Object.assign(record.resource, kept(body), {
    machineType: selfLink(`projects/${project.id}/${location}/machineTypes/${type.name}`),
    status: 'PROVISIONING',
    cpuPlatform: textOf(body, 'minCpuPlatform') ?? 'Intel Broadwell',
    tags: shownTags(body),
    metadata: shownMetadata(objectOf(body, 'metadata')),
    scheduling,
    networkInterfaces,
    disks: disks.map(({ entry }) => entry),
    shieldedInstanceConfig: shielded,
    canIpForward: body['canIpForward'] === true,
    deletionProtection: body['deletionProtection'] === true,
    startRestricted: false,
  });
  putLabels(record.resource, labels);
  checkQuotas(call, record, type, disks);
  place(call, record, disks);
  return { record, plan: insertion(call, record, disks, warnings) };
}

function insertion(
  call: Call,
  record: InstanceRecord,
  disks: readonly InstanceDisk[],
  warnings: OperationPlan['warnings'],
): OperationPlan {
  const { world, location } = call;
  const all = [...(warnings ?? []), ...disks.flatMap(({ planned }) => planned?.warnings ?? [])];
  const made = disks.flatMap(({ planned }) => (planned ? [planned] : []));
  const { link, resource } = record;
  const ms = world.operationMs({ rpc: call.parts.method.rpc, targetLink: selfLink(link) });
  world.clock.after(ms / 2, () => {
    if (resource['status'] === 'PROVISIONING') resource['status'] = 'STAGING';
  });
  return {
    type: 'insert',
    location,
    target: record,
    warnings: all,
    ms,
    finish: () =>
      inTurn(record, async () => {
        if (!instanceType.has(record)) {
          throw new OperationFailure('RESOURCE_NOT_FOUND', `'${link}' is gone`, 404);
        }
        for (const { record: disk, source, sizeGb } of made) {
          await world.hardware?.createDisk(disk.link, source, sizeGb * gib);
          disk.resource['status'] = 'READY';
        }
        await run(world, record);
      }),
    failed: () =>
      removeInstance(world, record, (disk) => made.some((each) => each.record === disk)),
  };
}

function place(call: Call, record: InstanceRecord, disks: readonly InstanceDisk[]): void {
  const added = disks.flatMap(({ planned }) => (planned ? [planned.record] : []));
  for (const [index, disk] of added.entries()) {
    try {
      diskType.add(disk);
    } catch (error) {
      for (const earlier of added.slice(0, index)) diskType.remove(earlier);
      throw error;
    }
  }
  instanceType.add(record);
  const now = timestamp(call.world.clock.now());
  for (const disk of disks) attach(disk.record, record, now);
}

function blank({ world, project, location }: Call, name: string): InstanceRecord {
  const stored = newResource(world, instanceType, project, location, name);
  return { ...stored, printed: '', disarm: () => undefined, watchers: new Set() };
}

function readMachineType(call: Call, body: JsonObject): MachineType {
  const field = 'resource.machineType';
  const text = textOf(body, 'machineType');
  if (text === undefined) throw required(field);
  const { name, location } = call.refer(field, text, 'machineTypes');
  const type = findMachineType(name);
  if (type && location === call.location) return type;
  throw invalid(field, text, 'The referenced MachineType resource cannot be found.');
}

/** @see https://cloud.google.com/compute/shielded-vm/docs/creating-shielded-images */
function shieldedConfig(body: JsonObject, disks: readonly InstanceDisk[]): JsonObject | undefined {
  const features = objectsOf(disks[0]?.record.resource, 'guestOsFeatures');
  const uefi = features.some((feature) => feature['type'] === 'UEFI_COMPATIBLE');
  const given = objectOf(body, 'shieldedInstanceConfig');
  if (uefi) {
    const usual = { enableSecureBoot: false, enableVtpm: true, enableIntegrityMonitoring: true };
    return { ...usual, ...given };
  }
  if (given && Object.values(given).includes(true)) {
    throw badRequest('Shielded VM Config can only be set when using a UEFI-compatible disk.');
  }
  return undefined;
}

function checkQuotas(
  call: Call,
  record: InstanceRecord,
  type: MachineType,
  disks: readonly InstanceDisk[],
): void {
  const region = regionOf(call.location);
  reserve(instanceQuota, call.project, 1, region);
  reserve(cpuMetricOf(type), call.project, type.cpus, region);
  if (isExternal(record)) reserve(addressQuota, call.project, 1, region);
  reserveDisks(
    call,
    disks.flatMap(({ planned }) => (planned ? [planned] : [])),
  );
}

/** What is shown as it was given. */
function kept(body: JsonObject): JsonObject {
  const { description, hostname, minCpuPlatform, serviceAccounts, guestAccelerators } = body;
  const { advancedMachineFeatures, confidentialInstanceConfig, sourceMachineImage } = body;
  const { resourcePolicies, reservationAffinity, keyRevocationActionType } = body;
  return {
    description,
    hostname,
    minCpuPlatform,
    serviceAccounts,
    guestAccelerators,
    advancedMachineFeatures,
    confidentialInstanceConfig,
    sourceMachineImage,
    resourcePolicies,
    reservationAffinity,
    keyRevocationActionType,
  };
}

function shownTags(body: JsonObject): JsonObject {
  const items = textsOf(objectOf(body, 'tags'), 'items');
  const wrong = items.find((tag) => !/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(tag));
  if (wrong !== undefined) throw invalid('resource.tags.items', wrong, 'Must be a valid tag.');
  const shown = items.length > 0 ? items : undefined;
  return { items: shown, fingerprint: fingerprint(shown) };
}

/** Metadata as the API shows it. */
export function shownMetadata(given: JsonObject | undefined): JsonObject {
  const items = objectsOf(given, 'items');
  const shown = items.length > 0 ? items : undefined;
  return { kind: 'compute#metadata', fingerprint: fingerprint(shown), items: shown };
}
