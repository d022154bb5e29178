import type { ImageUser, Usage } from '../../spec/capabilities/usage.ts';
import type { MachineTemplate } from '../../spec/capabilities/instances.ts';
import type { MemoryContext } from './context.ts';
import { visibleImage } from './image-access.ts';

/** Tells who uses the images of a memory cloud, in every project of it. */
export function memoryUsage(context: MemoryContext): Usage {
  return {
    of: (id, options = {}) =>
      context.call('usage.of', id, options, () => {
        const { id: image } = visibleImage(context, id);
        return { users: [...usersOf(context, image)], complete: true, unanswered: [] };
      }),
  };
}

function* usersOf({ cloud }: MemoryContext, image: string): Generator<ImageUser> {
  for (const { id, image: used } of cloud.instances.all()) {
    if (used === image) yield { kind: 'instance', id, reason: 'was launched from it' };
  }
  for (const { id, templates } of cloud.fleets.all()) {
    const boots = templates.map((template) => bootsFrom(template, image));
    if (boots.at(-1) === true) yield { kind: 'fleet', id, reason: 'its machines boot from it' };
    else if (boots.includes(true)) {
      yield { kind: 'template', id, reason: 'a rollback of the fleet goes back to it' };
    }
  }
  for (const { id, image: used } of cloud.disks.all()) {
    if (used === image) yield { kind: 'disk', id, reason: 'was made of it' };
  }
  for (const { id, image: used } of cloud.machineImages.all()) {
    if (used === image) yield { kind: 'machine-image', id, reason: 'holds a machine made of it' };
  }
  for (const { id, parent } of cloud.images.all()) {
    if (parent === image) yield { kind: 'image', id, reason: 'was made of it' };
  }
}

function bootsFrom({ boot }: MachineTemplate, image: string): boolean {
  return boot.kind === 'image' && boot.image.id === image;
}
