import { objectOf, objectsOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import { idKey } from '../resource-id.ts';
import {
  newResource,
  propertiesOf,
  setProperties,
  stateOf,
  type Stored,
  type World,
} from '../state.ts';
import { chooseImage, diskSizeOf, osTypeOf } from './images.ts';
import type { ChosenImage, MemberRecord, ScaleSetRecord } from './records.ts';

/** What a scale set knows of itself. */
export function recordOf(set: Stored): ScaleSetRecord {
  set.scaleSet ??= { nextInstance: 0, secrets: '', history: [] };
  return set.scaleSet;
}

/** The machines of a scale set, in the order of their numbers. */
export function membersOf(world: World, set: Stored): readonly Stored[] {
  return world.resources
    .below(`${set.id}/virtualMachines/`)
    .toSorted((a, b) => Number(instanceIdOf(a)) - Number(instanceIdOf(b)));
}

export function instanceIdOf(member: Stored): string {
  return member.id.split('/').at(-1) ?? '';
}

export function profileOf(set: Stored): JsonObject {
  return objectOf(propertiesOf(set), 'virtualMachineProfile') ?? {};
}

export function imageReferenceOf(set: Stored): JsonObject {
  return objectOf(objectOf(profileOf(set), 'storageProfile'), 'imageReference') ?? {};
}

/** The model of a scale set: what its machines are compared with. */
export function modelOf(set: Stored): string {
  return JSON.stringify(
    [profileOf(set), set.resource['sku'], recordOf(set).secrets],
    (key, value: unknown) => (key === 'capacity' ? undefined : value),
  );
}

export function locationOf(set: Stored): string {
  return textOf(set.resource, 'location') ?? '';
}

/** The image that the model of a scale set stands for at this moment. */
export function currentImage(world: World, set: Stored): ChosenImage {
  return chooseImage(world, imageReferenceOf(set), locationOf(set));
}

/** Makes a machine of a scale set as its model is; it is Creating. */
export function makeMember(world: World, set: Stored, image: ChosenImage): Stored {
  const record = recordOf(set);
  const instanceId = String(record.nextInstance);
  record.nextInstance += 1;
  const id = `${set.id}/virtualMachines/${instanceId}`;
  const { tags, sku, location } = set.resource;
  const name = `${textOf(set.resource, 'name') ?? ''}_${instanceId}`;
  const { capacity: _, ...size } = objectOf(set.resource, 'sku') ?? {};
  const member = newResource(
    id,
    { tags, location, ...(sku === undefined ? {} : { sku: size }) },
    {
      vmId: world.nextGuid(),
      modelDefinitionApplied: 'VirtualMachineScaleSet',
      provisioningState: 'Creating',
      timeCreated: new Date(world.clock.now()).toISOString(),
      powerState: 'starting',
    },
  );
  Object.assign(member.resource, { name, instanceId });
  member.member = { model: '', image };
  world.resources.add(member);
  applyModel(world, set, member, image);
  return member;
}

/** Lets a machine be as the model says, with a new system disk of an image. */
export function applyModel(world: World, set: Stored, member: Stored, image: ChosenImage): void {
  const record = memberOf(member);
  const { model } = record;
  if (model !== '') record.before = { model, image: record.image };
  record.model = modelOf(set);
  giveDisk(world, set, member, image);
}

/** Lets a machine go back to what it was of before its last upgrade. */
export function takeBack(world: World, set: Stored, member: Stored): boolean {
  const record = memberOf(member);
  const { before } = record;
  if (before === undefined) return false;
  record.model = before.model;
  record.before = undefined;
  giveDisk(world, set, member, before.image);
  return true;
}

/** Replaces the system disk of a machine. */
export function giveDisk(world: World, set: Stored, member: Stored, image: ChosenImage): void {
  removeDisks(world, member);
  memberOf(member).image = image;
  const profile = profileOf(set);
  const { imageReference: _, ...storage } = objectOf(profile, 'storageProfile') ?? {};
  const osDisk = objectOf(storage, 'osDisk');
  const osProfile = objectOf(profile, 'osProfile');
  const name = `${textOf(member.resource, 'name') ?? ''}_OsDisk_1_${world.nextGuid().replaceAll('-', '')}`;
  const diskId = `${set.id.slice(0, set.id.lastIndexOf('/virtualMachineScaleSets/'))}/disks/${name}`;
  const diskSizeGB = Number(osDisk?.['diskSizeGB'] ?? diskSizeOf(world, image));
  const osType = osTypeOf(world, image);
  const creationData =
    image.id === ''
      ? { createOption: 'FromImage', imageReference: image.reference }
      : { createOption: 'FromImage', galleryImageReference: { id: image.id } };
  const disk = newResource(
    diskId,
    { location: locationOf(set) },
    {
      osType,
      creationData,
      diskSizeGB,
      diskSizeBytes: diskSizeGB * 2 ** 30,
      diskState: 'Attached',
      timeCreated: new Date(world.clock.now()).toISOString(),
      provisioningState: 'Succeeded',
    },
  );
  disk.resource['managedBy'] = member.id;
  world.resources.add(disk);
  const number = instanceIdOf(member).padStart(6, '0');
  setProperties(member, {
    hardwareProfile: {},
    storageProfile: {
      ...storage,
      imageReference: { ...image.reference, exactVersion: image.exactVersion },
      osDisk: { ...osDisk, osType, name, diskSizeGB, managedDisk: { id: diskId } },
    },
    osProfile: {
      ...osProfile,
      computerName: `${textOf(osProfile, 'computerNamePrefix') ?? ''}${number}`,
    },
    networkProfileConfiguration: objectOf(profile, 'networkProfile') ?? {},
  });
}

/** Removes a machine and its disks. */
export function removeMember(world: World, member: Stored): void {
  removeDisks(world, member);
  world.resources.remove(member);
}

function removeDisks(world: World, member: Stored): void {
  for (const disk of world.resources.ofType('Microsoft.Compute/disks'))
    if (idKey(textOf(disk.resource, 'managedBy') ?? '') === idKey(member.id))
      world.resources.remove(disk);
}

export function memberOf(member: Stored): MemberRecord {
  member.member ??= { model: '', image: { reference: {}, exactVersion: undefined, id: '' } };
  return member.member;
}

/** A machine is ready: it runs. */
export function settleMember(member: Stored): void {
  setProperties(member, { provisioningState: 'Succeeded', powerState: 'running' });
}

/** Whether a machine is what a scale set's model says. */
export function isLatestModel(set: Stored, member: Stored): boolean {
  return memberOf(member).model === modelOf(set);
}

/** Whether anybody looks at the health of the machines: an extension in them, or a load balancer's probe. */
export function reportsHealth(profile: JsonObject): boolean {
  const probe = textOf(objectOf(objectOf(profile, 'networkProfile'), 'healthProbe'), 'id');
  const extensions = objectsOf(objectOf(profile, 'extensionProfile'), 'extensions');
  return (
    probe !== undefined ||
    extensions.some((extension) =>
      /^ApplicationHealth(?:Linux|Windows)$/.test(
        textOf(objectOf(extension, 'properties'), 'type') ?? '',
      ),
    )
  );
}

/** Whether a machine is well: it runs, and nobody said otherwise of it or of the image it boots from. */
export function isHealthy(world: World, member: Stored): boolean {
  if (textOf(propertiesOf(member), 'powerState') !== 'running') return false;
  const { image } = memberOf(member);
  return !world.unhealthy.has(idKey(member.id)) && !world.unhealthy.has(idKey(image.id));
}

/** A machine as answers have it. */
export function showMember(world: World, set: Stored, member: Stored, expand: boolean): JsonObject {
  const { powerState: _, ...properties } = propertiesOf(member);
  return {
    ...member.resource,
    properties: {
      ...properties,
      latestModelApplied: isLatestModel(set, member),
      ...(expand ? { instanceView: instanceViewOf(world, set, member) } : {}),
    },
  };
}

/** The state of a machine at this moment. */
export function instanceViewOf(world: World, set: Stored, member: Stored): JsonObject {
  const power = textOf(propertiesOf(member), 'powerState') ?? 'running';
  const health = isHealthy(world, member) ? 'healthy' : 'unhealthy';
  return {
    statuses: [
      { code: `ProvisioningState/${stateOf(member).toLowerCase()}`, level: 'Info' },
      { code: `PowerState/${power}`, level: 'Info', displayStatus: `VM ${power}` },
    ],
    ...(reportsHealth(profileOf(set))
      ? { vmHealth: { status: { code: `HealthState/${health}`, level: 'Info' } } }
      : {}),
  };
}
