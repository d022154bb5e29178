import type { JsonObject } from '../../control-plane/json.ts';
import type { Call, Service } from '../call.ts';
import { startMachineImage } from '../machine-images/new-machine-image.ts';
import { listAnswer } from '../paging.ts';
import { machineImageType } from '../resources.ts';
import { setLabelsHandler } from './labels.ts';
import { policyHandlers } from './policies.ts';

function remove(call: Call): JsonObject {
  const record = call.target(machineImageType, 'compute.machineImages.delete');
  record.resource['status'] = 'DELETING';
  return call.start({
    type: 'delete',
    location: 'global',
    target: record,
    async finish() {
      for (const { link } of record.saved) await call.world.hardware?.deleteSnapshot(link);
      machineImageType.remove(record);
    },
    failed() {
      record.resource['status'] = 'READY';
    },
  });
}

/** There is no method to change, to deprecate or to put into a family: Google has none. */
export const machineImages: Service = {
  Insert: startMachineImage,
  Get: (call) => call.target(machineImageType, 'compute.machineImages.get').resource,
  List(call) {
    call.permit('compute.machineImages.list', call.project);
    return listAnswer(call, machineImageType);
  },
  Delete: remove,
  SetLabels: setLabelsHandler(machineImageType),
  ...policyHandlers(machineImageType),
};
