import {
  objectOf,
  objectsOf,
  textMapOf,
  textOf,
  textsOf,
  type JsonObject,
} from '../../control-plane/json.ts';
import type { Call } from '../call.ts';
import { attachedDisk } from '../disks/attachments.ts';
import { inheritedFields, type SavedDisk } from '../disks/new-disk.ts';
import { readStorageLocations } from '../disks/new-snapshot.ts';
import { shownKeys } from '../encryption-keys.ts';
import { badRequest, required } from '../errors.ts';
import type { InstanceRecord } from '../instances/instance-record.ts';
import { propertiesOf } from '../instances/overrides.ts';
import { selfLink } from '../links.ts';
import { defineMetric, reserve } from '../quotas.ts';
import { instanceType, machineImageType } from '../resources.ts';
import { putLabels } from '../services/labels.ts';
import { newResource, type Stored } from '../state.ts';
import { checkLabels, checkName } from '../values.ts';
import { checkRate, machineImageRate } from './creation-rate.ts';
import type { MachineImageRecord } from './machine-image-record.ts';

const gib = 2 ** 30;

const machineImageQuota = defineMetric({
  name: 'MACHINE_IMAGES',
  scope: 'project',
  limit: 2000,
  used: (project) => machineImageType.all(project).length,
});

/** Takes a machine image of an instance, running or not; gives the operation. */
export function startMachineImage(call: Call): JsonObject {
  const { world, project, body } = call;
  call.permit('compute.machineImages.create', project);
  const name = checkName('resource.name', textOf(body, 'name'));
  const labels = textMapOf(body, 'labels');
  checkLabels('resource.labels', labels);
  const instance = sourceOf(call);
  const locations = readStorageLocations(call, instance);
  reserve(machineImageQuota, project, 1);

  const disks = disksOf(instance);
  const stored = newResource(world, machineImageType, project, 'global', name);
  const saved = disks.map((disk, index): SavedDisk => ({
    link: `${stored.link}/disks/${index}`,
    sizeGb: Number(disk.resource['sizeGb']),
    fields: inheritedFields(disk.resource),
  }));
  const record: MachineImageRecord = { ...stored, saved };
  const properties = savedProperties(instance);
  Object.assign(record.resource, {
    description: body['description'],
    status: 'CREATING',
    sourceInstance: selfLink(instance.link),
    guestFlush: body['guestFlush'] === true ? true : undefined,
    storageLocations: locations,
    instanceProperties: properties,
    sourceInstanceProperties: properties,
    savedDisks: disks.map(shownDisk),
    totalStorageBytes: '0',
    ...shownKeys(body, ['machineImageEncryptionKey']),
  });
  putLabels(record.resource, labels);
  machineImageType.add(record);

  return call.start({
    type: 'insert',
    location: 'global',
    target: record,
    async finish() {
      checkRate(machineImageRate, instance, record.link, world.clock.now());
      for (const [index, { link }] of saved.entries()) {
        await world.hardware?.createSnapshot(link, disks[index]?.link ?? '');
      }
      const bytes = saved.reduce((sum, { sizeGb }) => sum + (sizeGb * gib) / 4, 0);
      record.resource['totalStorageBytes'] = String(bytes);
      record.resource['status'] = 'READY';
    },
    async failed() {
      for (const { link } of saved) await world.hardware?.deleteSnapshot(link);
      machineImageType.remove(record);
    },
  });
}

function sourceOf(call: Call): InstanceRecord {
  const [asked, named] = [call.query('sourceInstance'), textOf(call.body, 'sourceInstance')];
  const text = asked ?? named;
  if (text === undefined) throw required('sourceInstance');
  const permission = 'compute.instances.useReadOnly';
  const instance = call.referred('sourceInstance', text, instanceType, permission);
  if (
    named !== undefined &&
    call.referred('resource.sourceInstance', named, instanceType, permission) !== instance
  ) {
    throw badRequest('sourceInstance of the query and of the body are different instances.');
  }
  return instance;
}

function disksOf(instance: InstanceRecord): readonly Stored[] {
  return objectsOf(instance.resource, 'disks').flatMap(
    (entry) => attachedDisk(instance.project, entry) ?? [],
  );
}

/** What a machine image keeps of an instance: types are named without their zone, addresses are left out. */
function savedProperties({ resource }: InstanceRecord): JsonObject {
  const machineType = textOf(resource, 'machineType')?.split('/').at(-1);
  const networkInterfaces = objectsOf(resource, 'networkInterfaces').map((nic) => ({
    network: nic['network'],
    subnetwork: nic['subnetwork'],
    name: nic['name'],
    accessConfigs: objectsOf(nic, 'accessConfigs').map(({ type, name, networkTier }) => {
      return { type, name, networkTier };
    }),
  }));
  const tags = textsOf(objectOf(resource, 'tags'), 'items');
  return {
    ...propertiesOf(resource),
    machineType,
    networkInterfaces,
    tags: tags.length > 0 ? { items: tags } : undefined,
  };
}

function shownDisk({ link, resource }: Stored): JsonObject {
  return {
    kind: 'compute#savedDisk',
    sourceDisk: selfLink(link),
    storageBytes: String((Number(resource['sizeGb']) * gib) / 4),
    storageBytesStatus: 'UP_TO_DATE',
    architecture: resource['architecture'],
  };
}
