import { objectOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import { listed, merged, type Call, type Handler } from '../call.ts';
import { ArmError, invalidParameter, propertyChange } from '../errors.ts';
import { machineNetwork, takeInterfaces } from '../networks/interfaces.ts';
import { isRegion, regionName } from '../regions.ts';
import { newResource, propertiesOf, setProperties, type Stored } from '../state.ts';
import { bootImage, type BootImage } from './boot-images.ts';
import { consoleAddress } from './boot-diagnostics.ts';
import { identityOf, planOf } from './identity.ts';
import { instanceView, statusesOf } from './instance-view.ts';
import { build, look, removeMachine } from './life.ts';
import { machineDisks, markDisks } from './machine-disks.ts';
import { inTurn, newMachineRecord, type MachineRecord } from './machine-record.ts';
import { checkData, checkOsProfile } from './os-profile.ts';
import { sizeNamed, sizes } from './sizes.ts';

/** The record of a machine that was found; one that was seeded has run for ever. */
export function machineOf(stored: Stored): MachineRecord {
  stored.machine ??= {
    ...newMachineRecord('2026-01-01T00:00:00.000Z', { customData: undefined, userData: undefined }),
    power: 'running',
  };
  return stored.machine;
}

const get: Handler = async (call) => {
  const found = call.target();
  const expand = call.parts.search.get('$expand')?.toLowerCase();
  if (expand === 'instanceview') {
    await look(call.world, found, machineOf(found));
    const view = instanceView(found, machineOf(found), consoleAddress(call, found));
    return {
      status: 200,
      body: { ...found.resource, properties: { ...propertiesOf(found), instanceView: view } },
    };
  }
  const { userData } = machineOf(found);
  if (expand !== 'userdata' || userData === undefined) return { status: 200, body: found.resource };
  return {
    status: 200,
    body: { ...found.resource, properties: { ...propertiesOf(found), userData } },
  };
};

const view: Handler = async (call) => {
  const found = call.target();
  await look(call.world, found, machineOf(found));
  return { status: 200, body: instanceView(found, machineOf(found), consoleAddress(call, found)) };
};

const list: Handler = (call) => {
  const filter = call.parts.search.get('$filter') ?? '';
  const set = /virtualMachineScaleSet\/id' eq '?([^']+)/i.exec(filter)?.[1];
  const inSet = ({ resource }: Stored): boolean => {
    const id = textOf(objectOf(propertiesOf({ resource }), 'virtualMachineScaleSet'), 'id');
    return set === undefined || id?.toLowerCase() === set.toLowerCase();
  };
  return call.page(
    call
      .items()
      .filter(inSet)
      .map(({ resource }) => listed(resource)),
  );
};

/** All machines of a subscription; with `statusOnly`, only whether each runs. */
const listAll: Handler = (call) => {
  const statusOnly = call.parts.search.get('statusOnly') === 'true';
  const all = call.world.resources.ofType('Microsoft.Compute/virtualMachines', call.subscription);
  return call.page(
    all.map((stored) => {
      if (!statusOnly) return listed(stored.resource);
      const { id, name, type, location } = stored.resource;
      const statuses = statusesOf(stored, machineOf(stored));
      return listed({ id, name, type, location, properties: { instanceView: { statuses } } });
    }),
  );
};

const put: Handler = (call) => {
  call.parent();
  if (!/^[A-Za-z0-9_](?:[\w.-]{0,62}\w)?$/.test(call.name))
    throw invalidParameter('vmName', `The entity name 'vmName' is invalid: '${call.name}'.`);
  const location = regionName(textOf(call.body, 'location') ?? '');
  if (!isRegion(location)) throw invalidParameter('location', `'${location}' is not available`);
  const standing = call.world.resources.find(call.id);
  if (standing !== undefined && call.parts.onlyNew)
    throw new ArmError(
      412,
      'PreconditionFailed',
      `The condition '*' in the If-None-Match header was not satisfied: '${call.id}' exists.`,
    );
  if (standing !== undefined) return replace(call, standing);

  const properties = objectOf(call.body, 'properties') ?? {};
  const storage = objectOf(properties, 'storageProfile') ?? {};
  const reference = objectOf(storage, 'imageReference');
  const image = reference && bootImage(call, reference, location);
  checkSize(properties, image);
  checkSecurity(properties, image);
  checkData(properties, 'userData', 65_536);
  const osProfile = profileOf(properties, image);
  const disks = machineDisks(call, storage, location, image);
  const network = machineNetwork(call, objectOf(properties, 'networkProfile') ?? {}, location);
  const { userData: _, ...told } = properties;
  const made = newResource(call.id, call.body, {
    ...told,
    vmId: call.world.nextGuid(),
    ...(osProfile === undefined ? {} : { osProfile }),
    storageProfile: disks.profile,
    networkProfile: network.profile,
    provisioningState: 'Creating',
    timeCreated: call.now,
  });
  const machine = newMachineRecord(call.now, {
    customData: textOf(objectOf(properties, 'osProfile'), 'customData'),
    userData: textOf(properties, 'userData'),
  });
  made.machine = machine;
  Object.assign(made.resource, identityOf(call), planOf(call));
  const { world } = call;
  for (const each of [made, ...disks.made, ...network.made]) world.resources.add(each);
  markDisks(world, made, true);
  takeInterfaces(world, made);
  return call.start(
    {
      collection: 'operations',
      location,
      finish: () => inTurn(machine, () => build(world, made, machine, disks.made)),
      failed: () => {
        machine.power = 'unknown';
        setProperties(made, { provisioningState: 'Failed' });
      },
    },
    { status: 201, body: { ...made.resource } },
  );
};

/** What of a storage profile never changes, and what the error calls it. */
const fixed = [
  ['imageReference', 'id', 'imageReference'],
  ['osDisk', 'name', 'osDisk.name'],
] as const;

/** A PUT on what stands: what it was made of can't change, and all tags are replaced. */
function replace(call: Call, standing: Stored): ReturnType<Handler> {
  const old = propertiesOf(standing);
  const wanted = objectOf(call.body, 'properties') ?? {};
  for (const [part, name, field] of fixed) {
    const [is, wish] = [old, wanted].map((properties) =>
      textOf(objectOf(objectOf(properties, 'storageProfile'), part), name)?.toLowerCase(),
    );
    if (wish !== undefined && wish !== is) throw propertyChange(field);
  }
  standing.resource['tags'] = call.body['tags'] ?? {};
  return changed(call, standing, objectOf(wanted, 'hardwareProfile'));
}

/** A change: only what is named changes; the tags are replaced as a whole. */
const patch: Handler = (call) => {
  const found = call.target();
  const { tags } = call.body;
  if (tags !== undefined) found.resource['tags'] = tags;
  const { userData, osProfile: _, ...changes } = objectOf(call.body, 'properties') ?? {};
  if (typeof userData === 'string') machineOf(found).userData = userData;
  found.resource['properties'] = merged(propertiesOf(found), changes);
  return changed(call, found, objectOf(changes, 'hardwareProfile'));
};

function changed(call: Call, found: Stored, hardware: JsonObject | undefined): ReturnType<Handler> {
  if (hardware !== undefined) {
    checkSize({ hardwareProfile: hardware }, undefined);
    setProperties(found, { hardwareProfile: hardware });
  }
  setProperties(found, { provisioningState: 'Updating' });
  return call.start(
    {
      collection: 'operations',
      location: textOf(found.resource, 'location') ?? '',
      finish: () => setProperties(found, { provisioningState: 'Succeeded' }),
      failed: () => setProperties(found, { provisioningState: 'Failed' }),
      result: () => found.resource,
    },
    { status: 200, body: { ...found.resource } },
  );
}

const remove: Handler = (call) => {
  const found = call.world.resources.find(call.id);
  if (found === undefined) return { status: 204 };
  setProperties(found, { provisioningState: 'Deleting' });
  const machine = machineOf(found);
  return call.start(
    {
      collection: 'operations',
      location: textOf(found.resource, 'location') ?? '',
      finish: () => inTurn(machine, () => removeMachine(call.world, found)),
      failed: () => setProperties(found, { provisioningState: 'Failed' }),
    },
    { status: 202 },
  );
};

function profileOf(properties: JsonObject, image: BootImage | undefined): JsonObject | undefined {
  const given = objectOf(properties, 'osProfile');
  if (image?.generalized === true) return checkOsProfile(given);
  // A disk that was set up before keeps its users and its name.
  if (given !== undefined)
    throw invalidParameter('osProfile', "Parameter 'osProfile' is not allowed.");
  return undefined;
}

function checkSize(properties: JsonObject, image: BootImage | undefined): void {
  const wanted = textOf(objectOf(properties, 'hardwareProfile'), 'vmSize');
  if (wanted === undefined)
    throw invalidParameter(
      'vmSize',
      "Required parameter 'hardwareProfile.vmSize' is missing (null).",
    );
  const size = sizeNamed(wanted);
  if (size === undefined)
    throw invalidParameter(
      'vmSize',
      `The value ${wanted} provided for the VM size is not valid. The valid sizes in the current region are: ${sizes.map(({ name }) => name).join(',')}. Find out more on the valid VM sizes in each region at https://aka.ms/azure-regions.`,
    );
  if (image === undefined) return;
  if (image.architecture !== size.architecture)
    throw new ArmError(
      400,
      'BadRequest',
      `Cannot create a VM of size '${wanted}' because this VM size only supports a CPU Architecture of '${size.architecture}', but an image or disk with CPU Architecture '${image.architecture}' was given.`,
    );
  if (!size.generations.some((one) => one === image.generation))
    throw new ArmError(
      400,
      'BadRequest',
      `The selected VM size '${wanted}' cannot boot Hypervisor Generation '${image.generation === 'V1' ? 1 : 2}'.`,
    );
  const storage = objectOf(properties, 'storageProfile');
  const ephemeral = objectOf(objectOf(storage, 'osDisk'), 'diffDiskSettings') !== undefined;
  if (ephemeral && !size.ephemeral)
    throw new ArmError(
      409,
      'NotSupported',
      `OS disk of Ephemeral VM with size greater than 0 GB is not allowed for VM size ${wanted} when the DiffDiskPlacement is CacheDisk.`,
    );
}

/** What images ask of the security of their machines: https://aka.ms/trustedlaunch */
function checkSecurity(properties: JsonObject, image: BootImage | undefined): void {
  const type = textOf(objectOf(properties, 'securityProfile'), 'securityType') ?? 'Standard';
  const allowed: Readonly<Record<string, readonly string[]>> = {
    TrustedLaunch: ['TrustedLaunch'],
    TrustedLaunchSupported: ['Standard', 'TrustedLaunch'],
    ConfidentialVM: ['ConfidentialVM'],
    ConfidentialVMSupported: ['Standard', 'ConfidentialVM'],
    TrustedLaunchAndConfidentialVmSupported: ['Standard', 'TrustedLaunch', 'ConfidentialVM'],
  };
  const required = image && (allowed[image.securityType ?? ''] ?? ['Standard']);
  if (required?.includes(type) === false)
    throw new ArmError(
      400,
      'BadRequest',
      `The provided gallery image only supports creation of VMs and VM Scale Sets with '${image?.securityType ?? 'Standard'}' security type.`,
    );
}

export const virtualMachines = { get, view, list, listAll, put, patch, remove } as const;
