import type { FaultEffect } from '../control-plane/faults.ts';
import { effectOf } from '../control-plane/faults.ts';
import type { Json, MutableJsonObject } from '../control-plane/json.ts';
import type { World } from './state.ts';

/** A long operation. */
export interface OperationRecord {
  readonly id: string;
  /** The query of its address: what doesn't come back whole is refused. */
  readonly query: string;
  /** What a look at it answers. */
  readonly status: MutableJsonObject;
  /** What its `Location` answers when it is done; nothing for what leaves nothing. */
  readonly result: () => Json | undefined;
}

/** Why an operation failed. */
export interface OperationFailure {
  readonly code: string;
  readonly message: string;
}

/** What an operation does. */
export interface OperationPlan {
  /** The id of what it works on. */
  readonly id: string;
  readonly rpc: string;
  readonly location: string;
  /** The collection that Azure keeps such operations in. */
  readonly collection: 'capsOperations' | 'operations' | 'DiskOperations';
  readonly effects: readonly FaultEffect[];
  /** How long it takes, in ms. */
  readonly ms: number;
  readonly finish: () => void;
  readonly result?: (() => Json | undefined) | undefined;
  readonly failed: (failure: OperationFailure) => void;
}

const asyncVersion = '2025-12-03';

/**
 * Starts an operation.
 *
 * @returns the headers that tell where it can be looked at.
 */
export function startOperation(
  world: World,
  origin: string,
  subscription: string,
  plan: OperationPlan,
): Readonly<Record<string, string>> {
  const id = world.nextGuid();
  // Real ones carry a certificate and a signature: the address works only as a whole.
  const query = `api-version=${asyncVersion}&p=${id.slice(0, 8)}&t=${world.clock.now()}&c=MIIHhzCCBm-gAwIBAgITfA&s=${id.slice(-12)}&h=${id.slice(9, 13)}`;
  const { collection, effects, finish, failed, ms, result = () => undefined } = plan;
  const startTime = new Date(world.clock.now()).toISOString();
  const record: OperationRecord = {
    id,
    query,
    status: { startTime, status: 'InProgress', name: id },
    result,
  };
  world.operations.set(id, record);

  const ordered = effectOf(effects, 'operation-error');
  world.clock.after(ms, () => {
    record.status['endTime'] = new Date(world.clock.now()).toISOString();
    if (ordered === undefined) {
      finish();
      record.status['status'] = 'Succeeded';
      return;
    }
    const { code, message = `The operation failed with ${code}.` } = ordered;
    failed({ code, message });
    record.status['status'] = 'Failed';
    record.status['error'] = { code, message };
  });
  const place = `${origin}/subscriptions/${subscription}/providers/Microsoft.Compute/locations/${plan.location}`;
  const url = `${place}/${collection}/${id}?${query}`;
  return { 'azure-asyncoperation': url, location: `${url}&monitor=true` };
}
