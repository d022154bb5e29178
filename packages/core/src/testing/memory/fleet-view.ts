import type { Fleet } from '../../spec/capabilities/fleets.ts';
import type { MachineTemplate } from '../../spec/capabilities/instances.ts';
import { ImgkitError } from '../../spec/errors.ts';
import type { ImageRef } from '../../spec/ref.ts';
import type { MemoryContext } from './context.ts';
import { membersOf, sameTemplate, targetOf } from './fleet-members.ts';
import type { FleetRow } from './records.ts';

/** A fleet as a provider gives it. */
export function showFleet(row: FleetRow, viewer: MemoryContext): Fleet {
  const members = membersOf(viewer, row);
  const target = targetOf(row);
  const others = row.templates.filter((template) => !sameTemplate(template, target));
  const versions = [...others, target].map((template) => ({
    image: viewer.ref(bootImage(template).id),
    instances: members.filter((member) => sameTemplate(member.template, template)).length,
    target: template === target,
  }));
  return {
    id: row.id,
    name: row.name,
    size: row.size,
    createdAt: row.createdAt,
    labels: { ...row.labels },
    versions: versions.filter(({ instances, target: wanted }) => wanted || instances > 0),
    instances: members.map(({ instance }) => instance.id),
    status: row.status,
  };
}

/** The image the machines of a template boot from. */
export function bootImage({ boot }: MachineTemplate): ImageRef {
  if (boot.kind === 'image') return boot.image;
  throw new ImgkitError('INVALID_ARGUMENT', `a fleet can't boot from a ${boot.kind}`, {
    hint: 'Let its machines boot from an image.',
  });
}
