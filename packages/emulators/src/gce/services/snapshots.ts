import { textOf, type JsonObject } from '../../control-plane/json.ts';
import type { Call, Service } from '../call.ts';
import { planSnapshot } from '../disks/new-snapshot.ts';
import { required } from '../errors.ts';
import { listAnswer } from '../paging.ts';
import { diskType, snapshotType } from '../resources.ts';
import { setLabelsHandler } from './labels.ts';
import { policyHandlers } from './policies.ts';

function insert(call: Call): JsonObject {
  const text = textOf(call.body, 'sourceDisk');
  if (text === undefined) throw required('resource.sourceDisk');
  const permission = 'compute.disks.createSnapshot';
  const disk = call.referred('resource.sourceDisk', text, diskType, permission);
  return planSnapshot(call, disk, { location: 'global', type: 'insert' });
}

function remove(call: Call): JsonObject {
  const snapshot = call.target(snapshotType, 'compute.snapshots.delete');
  snapshot.resource['status'] = 'DELETING';
  return call.start({
    type: 'delete',
    location: 'global',
    target: snapshot,
    async finish() {
      await call.world.hardware?.deleteSnapshot(snapshot.link);
      snapshotType.remove(snapshot);
    },
    failed() {
      snapshot.resource['status'] = 'READY';
    },
  });
}

export const snapshots: Service = {
  Insert: insert,
  Get: (call) => call.target(snapshotType, 'compute.snapshots.get').resource,
  List(call) {
    call.permit('compute.snapshots.list', call.project);
    return listAnswer(call, snapshotType);
  },
  Delete: remove,
  SetLabels: setLabelsHandler(snapshotType),
  ...policyHandlers(snapshotType),
};
