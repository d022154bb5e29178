import { isDeepStrictEqual } from 'node:util';

import type { CreateFleetRequest, Fleet, MachineTemplate } from '@imgkit/core';
import { z } from 'zod';

import { instanceKind, type InstanceDocument } from '../machine/instance-record.ts';
import { instant } from '../mapping.ts';
import { formatId, type LocalContext } from '../resources/context.ts';
import { isWorkedOn, recordsOf, type ResourceKind } from '../resources/creation.ts';
import { invalid } from '../resources/rules.ts';
import type { LocalStore } from '../store/local-store.ts';
import type { StoredRecord } from '../store/records.ts';

/** What the catalog keeps of a fleet. Its machines say themselves that they are of it. */
export const fleetSchema = z.object({
  labels: z.record(z.string(), z.string()),
  size: z.number(),
  /** Every template it ever had; machines name theirs by its place. */
  templates: z.array(z.custom<MachineTemplate>()),
  /** The places of the templates in the order in which they were rolled out; the last is the target. */
  history: z.array(z.number()),
  maxSurge: z.number(),
  maxUnavailable: z.number(),
  canary: z.number().optional(),
  /** Whether it isn't yet as wanted. */
  rolling: z.boolean(),
  paused: z.boolean(),
  /** Why the last change stopped. */
  failure: z.string().optional(),
  request: z.custom<CreateFleetRequest>().optional(),
});

export type FleetDocument = z.infer<typeof fleetSchema>;
export type FleetRecord = StoredRecord<FleetDocument>;

/** Fleets as a kind of resource. */
export const fleetKind = {
  what: 'fleet',
  collection: 'fleets',
  schema: fleetSchema,
  show: async (context: LocalContext, record: FleetRecord) =>
    toFleet(context, await context.store(), record),
} satisfies ResourceKind<FleetDocument, Fleet>;

/** The place of the template the fleet goes to. */
export function targetOf(doc: FleetDocument): number {
  return doc.history.at(-1) ?? 0;
}

/** The document with another target; a template that it had before keeps its place. */
export function withTarget(doc: FleetDocument, template: MachineTemplate): FleetDocument {
  const wanted = plainTemplate(template);
  const known = doc.templates.findIndex((other) => isDeepStrictEqual(other, wanted));
  const place = known === -1 ? doc.templates.length : known;
  return {
    ...doc,
    templates: known === -1 ? [...doc.templates, wanted] : doc.templates,
    history: [...doc.history.filter((other) => other !== place), place],
  };
}

/** A template as the catalog gives it back. */
export function plainTemplate(template: MachineTemplate): MachineTemplate {
  return JSON.parse(JSON.stringify(template));
}

/** The id of the image that the machines of a template boot from. */
export function bootImage({ boot }: MachineTemplate): string {
  if (boot.kind === 'image') return boot.image.id;
  throw invalid(`a fleet can't boot from a ${boot.kind}`, 'Let its machines boot from an image.');
}

/** The machines of a fleet, finished or not, oldest first. */
export function membersOf(store: LocalStore, fleet: FleetRecord): StoredRecord<InstanceDocument>[] {
  const id = formatId(fleet.project, 'fleets', fleet.name);
  return recordsOf(store, instanceKind)
    .all(fleet.project)
    .filter(({ doc }) => doc.fleet?.id === id)
    .toSorted((a, b) => a.seq - b.seq);
}

function toFleet(context: LocalContext, store: LocalStore, record: FleetRecord): Fleet {
  const { doc, name, project } = record;
  const members = membersOf(store, record);
  const target = targetOf(doc);
  const versions = doc.history.flatMap((place) => {
    const template = doc.templates[place];
    const instances = members.filter((member) => member.doc.fleet?.template === place).length;
    if (template === undefined || (instances === 0 && place !== target)) return [];
    return [{ image: context.ref(bootImage(template)), instances, target: place === target }];
  });
  return {
    id: formatId(project, 'fleets', name),
    name,
    size: doc.size,
    createdAt: instant(record.createdAt),
    labels: doc.labels,
    versions,
    instances: members.map((member) => formatId(project, 'instances', member.name)),
    status: statusOf(record),
    native: doc.failure === undefined ? undefined : { failure: doc.failure },
  };
}

function statusOf(record: FleetRecord): Fleet['status'] {
  const { paused, rolling, failure } = record.doc;
  if (!rolling && record.state === 'READY') return 'STABLE';
  if (failure !== undefined || !isWorkedOn(record)) return 'FAILED';
  return paused ? 'PAUSED' : 'ROLLING';
}
