import { textMapOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import type { Call, Service } from '../call.ts';
import { userOf } from '../disks/attachments.ts';
import { largestDiskGb } from '../disks/disk-types.ts';
import { planDisk, reserveDisks } from '../disks/new-disk.ts';
import { planSnapshot } from '../disks/new-snapshot.ts';
import { shownKeys } from '../encryption-keys.ts';
import { invalid, notEmulated, resourceInUse } from '../errors.ts';
import { zonesOf } from '../locations.ts';
import { aggregatedAnswer, listAnswer } from '../paging.ts';
import { diskType } from '../resources.ts';
import { setLabelsHandler } from './labels.ts';
import { policyHandlers } from './policies.ts';

const gib = 2 ** 30;

/** What Google makes disks of, and the emulator doesn't. */
const otherSources = ['sourceDisk', 'sourceStorageObject', 'sourceInstantSnapshot'];

function insert(call: Call): JsonObject {
  const { body, project, location, world } = call;
  call.permit('compute.disks.create', project);
  const other = otherSources.find((source) => textOf(body, source) !== undefined);
  if (other !== undefined) throw notEmulated(`A disk with ${other}`);
  const { description, licenses, licenseCodes, guestOsFeatures, architecture } = body;
  const disk = planDisk(call, {
    field: 'resource',
    name: textOf(body, 'name'),
    location,
    sourceImage: call.query('sourceImage') ?? textOf(body, 'sourceImage'),
    sourceSnapshot: textOf(body, 'sourceSnapshot'),
    sizeGb: textOf(body, 'sizeGb'),
    type: textOf(body, 'type'),
    labels: textMapOf(body, 'labels'),
    more: {
      description,
      licenses,
      licenseCodes,
      guestOsFeatures,
      architecture,
      ...shownKeys(body, ['diskEncryptionKey', 'sourceImageEncryptionKey']),
    },
  });
  reserveDisks(call, [disk]);
  const { record, warnings, source, sizeGb } = disk;
  diskType.add(record);
  return call.start({
    type: 'insert',
    location,
    target: record,
    warnings,
    async finish() {
      await world.hardware?.createDisk(record.link, source, sizeGb * gib);
      record.resource['status'] = 'READY';
    },
    failed: () => diskType.remove(record),
  });
}

function remove(call: Call): JsonObject {
  const disk = call.target(diskType, 'compute.disks.delete');
  const user = userOf(disk);
  if (user !== undefined) throw resourceInUse('disk', disk.link, user);
  disk.resource['status'] = 'DELETING';
  return call.start({
    type: 'delete',
    location: disk.location,
    target: disk,
    async finish() {
      await call.world.hardware?.deleteDisk(disk.link);
      diskType.remove(disk);
    },
    failed() {
      disk.resource['status'] = 'READY';
    },
  });
}

function createSnapshot(call: Call): JsonObject {
  const disk = call.target(diskType, 'compute.disks.createSnapshot');
  const { location } = disk;
  return planSnapshot(call, disk, { location, type: 'createSnapshot', target: disk });
}

function resize(call: Call): JsonObject {
  const disk = call.target(diskType, 'compute.disks.resize');
  const { resource } = disk;
  const asked = textOf(call.body, 'sizeGb') ?? '0';
  const now = Number(resource['sizeGb']);
  if (call.world.hardware) throw notEmulated('Resizing a real disk');
  if (Number(asked) < now || Number(asked) > largestDiskGb) {
    const why = `Must be at least the current size, ${now} GB, and at most ${largestDiskGb} GB.`;
    throw invalid('sizeGb', asked, why);
  }
  return call.start({
    type: 'resizeDisk',
    location: disk.location,
    target: disk,
    finish() {
      resource['sizeGb'] = asked;
    },
  });
}

export const disks: Service = {
  Insert: insert,
  Get: (call) => call.target(diskType, 'compute.disks.get').resource,
  List(call) {
    call.permit('compute.disks.list', call.project);
    return listAnswer(call, diskType);
  },
  AggregatedList(call) {
    call.permit('compute.disks.list', call.project);
    return aggregatedAnswer(call, diskType, zonesOf(call.world.regions));
  },
  Delete: remove,
  CreateSnapshot: createSnapshot,
  Resize: resize,
  SetLabels: setLabelsHandler(diskType),
  ...policyHandlers(diskType),
};
