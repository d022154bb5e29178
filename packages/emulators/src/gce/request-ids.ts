import type { JsonObject } from '../control-plane/json.ts';
import type { Call } from './call.ts';
import { invalid } from './errors.ts';
import type { OperationRecord } from './operations.ts';
import type { Project } from './state.ts';

/** How long Google knows a request again, in ms. */
const remembered = 60 * 60_000;

interface Known {
  readonly at: number;
  readonly what: string;
  readonly operation: OperationRecord;
}

const byProject = new WeakMap<Project, Map<string, Known>>();
const form = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The operation that an earlier request with the same `requestId` started, so that it isn't carried out twice. */
export function recall(call: Call, complain: (message: string) => void): JsonObject | undefined {
  const id = call.query('requestId');
  if (id === undefined) return undefined;
  if (!form.test(id) || /^[0-]+$/.test(id)) {
    const why =
      'Must be a valid UUID, and not the zero UUID (00000000-0000-0000-0000-000000000000).';
    complain(`${call.parts.method.rpc}: requestId: "${id}". ${why}`);
    throw invalid('requestId', id, why);
  }
  const known = byProject.get(call.project)?.get(id.toLowerCase());
  if (!known || known.at + remembered < call.world.clock.now()) return undefined;
  if (known.what !== whatOf(call)) {
    const why = `It belongs to another request: ${known.what}.`;
    complain(`${call.parts.method.rpc}: requestId: "${id}". ${why}`);
    throw invalid('requestId', id, why);
  }
  return known.operation.resource;
}

/** Remembers what a request started. */
export function remember(call: Call): void {
  const id = call.query('requestId');
  if (id === undefined || !call.started) return;
  const known = byProject.get(call.project) ?? new Map<string, Known>();
  byProject.set(call.project, known);
  known.set(id.toLowerCase(), {
    at: call.world.clock.now(),
    what: whatOf(call),
    operation: call.started,
  });
}

function whatOf({ parts }: Call): string {
  return [parts.method.rpc, ...Object.values(parts.parameters), parts.caller ?? ''].join(' ');
}
