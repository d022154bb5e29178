import type { JsonObject } from '../../control-plane/json.ts';
import type { Call, Service } from '../call.ts';
import { diskTypeRules, largestDiskGb } from '../disks/disk-types.ts';
import { notFound } from '../errors.ts';
import { policyOf } from '../iam.ts';
import { findMachineType, machineTypeId, machineTypes as all } from '../instances/machine-types.ts';
import { selfLink } from '../links.ts';
import { listAnswer } from '../paging.ts';
import { ResourceType, type Stored } from '../state.ts';

const machineTypeKind = new ResourceType<Stored>({
  collection: 'machineTypes',
  singular: 'machineType',
});
const diskTypeKind = new ResourceType<Stored>({ collection: 'diskTypes', singular: 'diskType' });

/** Something that Google has in every zone. */
function offer(call: Call, kind: ResourceType<Stored>, name: string, more: JsonObject): Stored {
  const { project, location } = call;
  const link = kind.link(project.id, location, name);
  return {
    project,
    location,
    name,
    link,
    policy: policyOf([]),
    resource: {
      kind: `compute#${kind.singular}`,
      id: machineTypeId(name),
      creationTimestamp: '1969-12-31T16:00:00.000-08:00',
      name,
      zone: location.replace('zones/', ''),
      selfLink: selfLink(link),
      ...more,
    },
  };
}

function machineType(call: Call, name: string): Stored | undefined {
  const type = findMachineType(name);
  if (!type) return undefined;
  return offer(call, machineTypeKind, name, {
    description: `${type.cpus} vCPU, ${type.memoryMb / 1024} GB RAM`,
    guestCpus: type.cpus,
    memoryMb: type.memoryMb,
    isSharedCpu: type.shared,
    architecture: type.architecture,
    maximumPersistentDisks: 128,
    maximumPersistentDisksSizeGb: '263168',
    imageSpaceGb: 0,
  });
}

function diskType(call: Call, name: string): Stored | undefined {
  const rule = diskTypeRules.find((each) => each.name === name);
  if (!rule) return undefined;
  return offer(call, diskTypeKind, name, {
    description: rule.description,
    validDiskSize: `10GB-${largestDiskGb}GB`,
    defaultDiskSizeGb: String(rule.defaultSizeGb),
  });
}

/** Gives one, or answers 404. */
function given(call: Call, kind: ResourceType<Stored>, found: Stored | undefined): JsonObject {
  call.permit(`compute.${kind.collection}.get`, call.project);
  if (found) return found.resource;
  throw notFound(kind.link(call.project.id, call.location, call.param(kind.singular)));
}

export const machineTypes: Service = {
  Get: (call) => given(call, machineTypeKind, machineType(call, call.param('machineType'))),
  List(call) {
    call.permit('compute.machineTypes.list', call.project);
    const offers = all.flatMap(({ name }) => machineType(call, name) ?? []);
    return listAnswer(call, machineTypeKind, offers);
  },
};

export const diskTypes: Service = {
  Get: (call) => given(call, diskTypeKind, diskType(call, call.param('diskType'))),
  List(call) {
    call.permit('compute.diskTypes.list', call.project);
    const offers = diskTypeRules.flatMap(({ name }) => diskType(call, name) ?? []);
    return listAnswer(call, diskTypeKind, offers);
  },
};
