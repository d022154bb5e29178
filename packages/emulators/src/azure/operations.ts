import type { FaultEffect } from '../control-plane/faults.ts';
import { effectOf } from '../control-plane/faults.ts';
import type { Json, MutableJsonObject } from '../control-plane/json.ts';
import { ArmError } from './errors.ts';
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
  /** The resource provider that it is looked at; `Microsoft.Compute` by default. */
  readonly namespace?: string | undefined;
  readonly effects: readonly FaultEffect[];
  /** How long it takes, in ms. */
  readonly ms: number;
  /** Does what is left to be done when its time is over; it lasts until that is done, and fails with it. */
  readonly finish: () => void | Promise<void>;
  /** What it gives beside a resource, once it has succeeded. */
  readonly output?: (() => Json | undefined) | undefined;
  readonly result?: (() => Json | undefined) | undefined;
  readonly failed: (failure: OperationFailure) => void;
}

const asyncVersion = '2025-12-03';

/** An operation that goes on until its end is said. */
export interface OpenOperation {
  /** The headers that tell where it can be looked at. */
  readonly headers: Readonly<Record<string, string>>;
  /** Ends it: as done, or as failed or cancelled. */
  end(failure?: OperationFailure & { readonly status?: 'Failed' | 'Canceled' }): void;
}

/** Opens an operation that nobody knows the length of. */
export function openOperation(
  world: World,
  origin: string,
  subscription: string,
  plan: Pick<OperationPlan, 'id' | 'location' | 'collection' | 'namespace' | 'result' | 'output'>,
): OpenOperation {
  const id = world.nextGuid();
  // Real ones carry a certificate and a signature: the address works only as a whole.
  const query = `api-version=${asyncVersion}&p=${id.slice(0, 8)}&t=${world.clock.now()}&c=MIIHhzCCBm-gAwIBAgITfA&s=${id.slice(-12)}&h=${id.slice(9, 13)}`;
  const { collection, location, output, result = () => undefined } = plan;
  const { namespace = 'Microsoft.Compute' } = plan;
  const startTime = new Date(world.clock.now()).toISOString();
  const record: OperationRecord = {
    id,
    query,
    status: { startTime, status: 'InProgress', name: id },
    result,
  };
  world.operations.set(id, record);
  const place = `${origin}/subscriptions/${subscription}/providers/${namespace}/locations/${location}`;
  const url = `${place}/${collection}/${id}?${query}`;
  return {
    headers: { 'azure-asyncoperation': url, location: `${url}&monitor=true` },
    end(failure) {
      record.status['endTime'] = new Date(world.clock.now()).toISOString();
      record.status['status'] = failure === undefined ? 'Succeeded' : (failure.status ?? 'Failed');
      const given = failure === undefined ? output?.() : undefined;
      if (given !== undefined) record.status['properties'] = { output: given };
      if (failure !== undefined)
        record.status['error'] = { code: failure.code, message: failure.message };
      for (const look of world.watchers) look(plan.id);
    },
  };
}

/**
 * Starts an operation of a known length.
 *
 * @returns the headers that tell where it can be looked at.
 */
export function startOperation(
  world: World,
  origin: string,
  subscription: string,
  plan: OperationPlan,
): Readonly<Record<string, string>> {
  const { effects, finish, failed, ms } = plan;
  const operation = openOperation(world, origin, subscription, plan);
  const ordered = effectOf(effects, 'operation-error');
  const fail = ({ code, message }: OperationFailure): void => {
    failed({ code, message });
    operation.end({ code, message, status: /^cancell?ed$/i.test(code) ? 'Canceled' : 'Failed' });
  };
  world.clock.after(ms, async () => {
    if (ordered !== undefined) {
      const { code, message = `The operation failed with ${code}.` } = ordered;
      return fail({ code, message });
    }
    try {
      await finish();
    } catch (error) {
      return fail(failureOf(error));
    }
    operation.end();
  });
  return operation.headers;
}

/** What an operation says that could not be carried out. */
function failureOf(error: unknown): OperationFailure {
  if (error instanceof ArmError) return { code: error.code, message: error.message };
  return {
    code: 'InternalExecutionError',
    message: `An internal execution error: ${String(error)}`,
  };
}
