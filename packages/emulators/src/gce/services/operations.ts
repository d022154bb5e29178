import type { Call, Service } from '../call.ts';
import { badRequest } from '../errors.ts';
import { isRunning, operations } from '../operations.ts';
import { listAnswer } from '../paging.ts';

/** How long `wait` waits at most, in ms. */
const longestWait = 2 * 60_000;

function operationService(permissions: string): Service {
  const named = (call: Call, permission: string) => {
    call.permit(`${permissions}.${permission}`, call.project);
    return operations.require(call.project, call.location, call.param('operation'));
  };
  return {
    Get: (call) => named(call, 'get').resource,
    List(call) {
      call.permit(`${permissions}.list`, call.project);
      return listAnswer(call, operations);
    },
    async Wait(call) {
      const record = named(call, 'get');
      const { promise: over, resolve } = Promise.withResolvers<void>();
      const cancel = call.world.clock.after(longestWait, resolve);
      call.parts.gone.addEventListener('abort', () => resolve(), { once: true });
      await Promise.race([record.done, over]);
      cancel();
      return record.resource;
    },
    Delete(call) {
      const record = named(call, 'delete');
      if (isRunning(record)) throw badRequest(`The operation '${record.link}' is still running.`);
      operations.remove(record);
      return {};
    },
  };
}

export const globalOperations: Service = {
  ...operationService('compute.globalOperations'),
};
export const regionOperations = operationService('compute.regionOperations');
export const zoneOperations = operationService('compute.zoneOperations');
