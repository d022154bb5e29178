import type { FaultEffect } from '../control-plane/faults.ts';
import { effectOf } from '../control-plane/faults.ts';
import type { JsonObject } from '../control-plane/json.ts';
import { OperationFailure, tooManyOperations } from './errors.ts';
import type { Caller } from './iam.ts';
import { policyOf } from './iam.ts';
import { selfLink } from './links.ts';
import { regionOf, zoneOf, type Location } from './locations.ts';
import { ResourceType, type Project, type Stored, type World } from './state.ts';
import { timestamp } from './values.ts';

/** A warning of an operation or a listing. */
export interface Warning {
  /** `DEPRECATED_RESOURCE_USED`. */
  readonly code: string;
  readonly message: string;
  readonly data?: Readonly<Record<string, string>> | undefined;
}

/** What an operation does, and to what. */
export interface OperationPlan {
  /** `insert`, `delete`, `deprecate`, `compute.instances.setMetadata`: as Google calls it. */
  readonly type: string;
  readonly location: Location;
  /** The resource it works on. */
  readonly target: Pick<Stored, 'link' | 'resource'>;
  readonly warnings?: readonly Warning[] | undefined;
  /** How long it takes, in ms of the clock; what the emulator was told by default. */
  readonly ms?: number | undefined;
  /** What happens at its end. Throws {@link OperationFailure} when it fails. */
  readonly finish?: (() => void | Promise<void>) | undefined;
  /** What a failure leaves behind: takes back what the start did. */
  readonly failed?: ((failure: OperationFailure) => void | Promise<void>) | undefined;
}

/** Who starts an operation, and how. */
export interface OperationStart {
  readonly world: World;
  readonly project: Project;
  readonly caller: Caller;
  readonly rpc: string;
  readonly effects: readonly FaultEffect[];
}

export interface OperationRecord extends Stored {
  /** Resolves when it is done, whether it failed or not. */
  readonly done: Promise<void>;
}

/** The operations of all projects. */
export const operations = new ResourceType<OperationRecord>({
  collection: 'operations',
  singular: 'operation',
});

let serial = 0;

/** Refuses a further operation of a project where as many run as may. */
export function checkOperationLimit(project: Project): void {
  const limit = project.maxOperations;
  if (limit === Infinity || operations.all(project).filter(isRunning).length < limit) return;
  throw tooManyOperations('operations', limit, project.number);
}

/** Starts an operation. It runs by the clock, whatever becomes of the caller. */
export function startOperation(start: OperationStart, plan: OperationPlan): OperationRecord {
  const { world, project, caller, rpc, effects } = start;
  const now = world.clock.now();
  serial += 1;
  const name = `operation-${now}-${serial.toString(16).padStart(13, '0')}-${world.nextId().slice(-8)}`;
  const link = operations.link(project.id, plan.location, name);
  const zone = zoneOf(plan.location);
  const region = zone === undefined ? regionOf(plan.location) : undefined;
  const place = selfLink(`projects/${project.id}/${plan.location}`);
  const { promise: done, resolve } = Promise.withResolvers<void>();
  const record: OperationRecord = {
    project,
    location: plan.location,
    name,
    link,
    policy: policyOf([]),
    done,
    resource: {
      kind: 'compute#operation',
      id: world.nextId(),
      name,
      operationType: plan.type,
      targetLink: selfLink(plan.target.link),
      targetId: plan.target.resource['id'],
      status: 'RUNNING',
      user: caller ? caller.slice(caller.indexOf(':') + 1) : 'owner@example.com',
      progress: 0,
      insertTime: timestamp(now),
      startTime: timestamp(now),
      selfLink: selfLink(link),
      ...(zone === undefined ? {} : { zone: place }),
      ...(region === undefined ? {} : { region: place }),
      ...(plan.warnings?.length ? { warnings: plan.warnings.map(showWarning) } : {}),
    },
  };
  operations.add(record);

  const ordered = effectOf(effects, 'operation-error');
  const failure = ordered
    ? new OperationFailure(
        ordered.code,
        ordered.message ?? `The operation failed with ${ordered.code}.`,
        ordered.status,
      )
    : undefined;
  const ms = plan.ms ?? world.operationMs({ rpc, targetLink: selfLink(plan.target.link) });
  world.clock.after(ms, async () => {
    await end(record, plan, failure);
    record.resource['endTime'] = timestamp(world.clock.now());
    record.resource['progress'] = 100;
    record.resource['status'] = 'DONE';
    resolve();
  });
  return record;
}

async function end(
  record: OperationRecord,
  plan: OperationPlan,
  ordered: OperationFailure | undefined,
): Promise<void> {
  try {
    if (ordered) throw ordered;
    await plan.finish?.();
  } catch (error) {
    const failure = failureOf(error);
    const { code, message, status, more } = failure;
    const errors = [{ code, message, ...more }];
    try {
      await plan.failed?.(failure);
    } catch (trouble) {
      const further = failureOf(trouble);
      errors.push({ code: further.code, message: further.message });
    }
    record.resource['error'] = { errors };
    record.resource['httpErrorStatusCode'] = status;
    record.resource['httpErrorMessage'] = httpMessages[status] ?? 'BAD REQUEST';
  }
}

function failureOf(error: unknown): OperationFailure {
  return error instanceof OperationFailure
    ? error
    : new OperationFailure('INTERNAL_ERROR', `Internal error: ${String(error)}`, 500);
}

const httpMessages: Readonly<Record<number, string>> = {
  400: 'BAD REQUEST',
  403: 'FORBIDDEN',
  404: 'NOT FOUND',
  409: 'CONFLICT',
  412: 'PRECONDITION FAILED',
  500: 'INTERNAL SERVER ERROR',
  503: 'SERVICE UNAVAILABLE',
};

export function isRunning(record: OperationRecord): boolean {
  return record.resource['status'] !== 'DONE';
}

/** A warning as Google writes it. */
export function showWarning({ code, message, data }: Warning): JsonObject {
  return {
    code,
    message,
    data: Object.entries(data ?? {}).map(([key, value]) => ({ key, value })),
  };
}
