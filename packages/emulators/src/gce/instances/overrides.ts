import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../../control-plane/json.ts';

/**
 * What of an instance a template or a machine image can hold.
 *
 * @see https://cloud.google.com/compute/docs/reference/rest/v1/InstanceProperties
 */
const inherited = [
  'advancedMachineFeatures',
  'canIpForward',
  'confidentialInstanceConfig',
  'description',
  'disks',
  'guestAccelerators',
  'keyRevocationActionType',
  'labels',
  'machineType',
  'metadata',
  'minCpuPlatform',
  'networkInterfaces',
  'networkPerformanceConfig',
  'privateIpv6GoogleAccess',
  'reservationAffinity',
  'resourcePolicies',
  'scheduling',
  'serviceAccounts',
  'shieldedInstanceConfig',
  'tags',
] as const;

/**
 * The instance that a request with `sourceInstanceTemplate` or `sourceMachineImage` asks for: what the
 * request says, whole fields of it, and what the source holds for the rest. An empty list or map says
 * nothing: Google's own client sends `"labels": {}` with every request.
 *
 * @see https://cloud.google.com/compute/docs/machine-images/create-instance-from-machine-image#create-instance-with-overrides
 */
export function withOverrides(request: JsonObject, source: JsonObject): JsonObject {
  const merged: Record<string, Json | undefined> = { ...request };
  for (const key of inherited) {
    if (isEmpty(request[key])) merged[key] = source[key];
  }
  return merged;
}

/** The part of an instance that a template or a machine image keeps. */
export function propertiesOf(instance: JsonObject): JsonObject {
  return Object.fromEntries(
    inherited.flatMap((key) => (isEmpty(instance[key]) ? [] : [[key, instance[key]]])),
  );
}

function isEmpty(value: Json | undefined): boolean {
  if (value === undefined || value === null || value === '') return true;
  if (isJsonArray(value)) return value.length === 0;
  return isJsonObject(value) && Object.values(value).every((item) => item === undefined);
}
