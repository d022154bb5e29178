import { createHash } from 'node:crypto';

import { ImgkitError, type MachineTemplate } from '@imgkit/core';
import { parseProcess, systemProcesses } from '@imgkit/core/local';
import { z } from 'zod';

import { invalid } from '../resources/rules.ts';

/** What a fleet's record keeps of it. Its machines say themselves that they are of it. */
export const fleetDocument = z.object({
  version: z.literal(1),
  size: z.number(),
  /** The templates that it goes to or may go back to, by what they are. */
  templates: z.record(z.string(), z.custom<MachineTemplate>()),
  /** The templates in the order in which they were rolled out; the last is the target. */
  history: z.array(z.string()),
  /** `replace`: new servers for old ones; `rebuild`: the same servers, from another image. */
  strategy: z.enum(['replace', 'rebuild']),
  maxSurge: z.number(),
  maxUnavailable: z.number(),
  canary: z.number().optional(),
  /** Whether it isn't yet as wanted. */
  rolling: z.boolean(),
  paused: z.boolean(),
  deleting: z.boolean(),
  /** Why the last change stopped. */
  failure: z.string().optional(),
  /** The call that carries the change out: its process, and a mark of its own. */
  owner: z.string().optional(),
  /** When the owner was last seen at work, as an ISO 8601 instant. */
  seen: z.string(),
});

export type FleetDocument = z.infer<typeof fleetDocument>;

/** How many templates it can go back to. */
const maxHistory = 5;
/** After how long without a sign of its owner a change counts as left, if its process can't be seen from here. */
const silenceMs = 900_000;

/** The template the fleet goes to. */
export function targetOf({ history }: FleetDocument): string {
  return history.at(-1) ?? '';
}

/** A template's name: two that make the same machines have the same one, whoever writes it down. */
export function templateId(template: MachineTemplate): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(template)))
    .digest('hex')
    .slice(0, 16);
}

/** The document with another target; the oldest templates that nobody goes back to are forgotten. */
export function withTarget(doc: FleetDocument, template: MachineTemplate): FleetDocument {
  const id = templateId(template);
  const history = [...doc.history.filter((other) => other !== id), id].slice(-maxHistory);
  const templates = { ...doc.templates, [id]: template };
  return {
    ...doc,
    history,
    templates: Object.fromEntries(
      Object.entries(templates).filter(([other]) => history.includes(other)),
    ),
  };
}

/** The id of the image that the machines of a template boot from. */
export function bootImage({ boot }: MachineTemplate): string {
  if (boot.kind === 'image') return boot.image.id;
  throw invalid(`a fleet can't boot from a ${boot.kind}`, 'Let its machines boot from an image.');
}

/** Whether somebody carries a change out. */
export function isWorkedOn({ rolling, failure, owner, seen }: FleetDocument, now: number): boolean {
  if (!rolling || failure !== undefined || owner === undefined) return false;
  const process = parseProcess(owner.slice(0, owner.lastIndexOf('~')));
  const isAlive = process && systemProcesses.isAlive(process);
  return isAlive ?? now - Date.parse(seen) < silenceMs;
}

/** The error of a change that can't go on. */
export function stopped(name: string, reason: string): ImgkitError {
  return new ImgkitError('OPERATION_FAILED', `the change of fleet "${name}" stopped: ${reason}`, {
    hint: 'Roll out again, or roll back.',
  });
}

/** A change that a machine's failure has stopped; says which machine, and what the cloud said of it. */
export function stoppedBy(name: string, error: unknown): unknown {
  const isFault = ['OPERATION_FAILED', 'QUOTA_EXCEEDED', 'FAILED_PRECONDITION'] as const;
  if (!ImgkitError.is(error) || !isFault.some((code) => code === error.code)) return error;
  const { code, message, resource, providerCode, requestId } = error;
  return new ImgkitError(code, `the change of fleet "${name}" stopped: ${message}`, {
    resource,
    providerCode,
    requestId,
    hint: 'The machines that stand go on. Roll out again, when the reason is gone or with another template, or roll back.',
    cause: error,
  });
}

/** The same content gives the same text, in whatever order it was written. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}
