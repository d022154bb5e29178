import type { CallOptions, Fleet } from '@imgkit/core';

import { toLabels } from '../mapping.ts';
import type { CloudContext } from '../resources/context.ts';
import { bootImage, isWorkedOn, targetOf, type FleetDocument } from './fleet-document.ts';
import { membersOf } from './fleet-members.ts';
import type { FleetRecord } from './fleet-record.ts';

/** A fleet as the contract has it. */
export async function toFleet(
  context: CloudContext,
  record: FleetRecord,
  options?: CallOptions,
): Promise<Fleet> {
  const { image, doc } = record;
  const members = await membersOf(context, record, options);
  const target = targetOf(doc);
  const versions = doc.history.flatMap((id) => {
    const template = doc.templates[id];
    const instances = members.filter((member) => member.template === id).length;
    if (template === undefined || (instances === 0 && id !== target)) return [];
    return [{ image: context.ref(bootImage(template)), instances, target: id === target }];
  });
  return {
    id: image.id,
    name: image.name ?? image.id,
    size: doc.size,
    createdAt: image.created_at,
    labels: toLabels(image),
    versions,
    instances: members.map(({ id }) => id),
    status: statusOf(doc, context.clock.now()),
    native: doc.failure === undefined ? undefined : { failure: doc.failure },
  };
}

function statusOf(doc: FleetDocument, now: number): Fleet['status'] {
  if (doc.deleting) return 'DELETING';
  if (!doc.rolling) return 'STABLE';
  if (doc.failure !== undefined || !isWorkedOn(doc, now)) return 'FAILED';
  return doc.paused ? 'PAUSED' : 'ROLLING';
}
