import { isDeepStrictEqual } from 'node:util';
import type { MachineTemplate } from '../../spec/capabilities/instances.ts';
import { ImgkitError } from '../../spec/errors.ts';
import type { MemoryContext } from './context.ts';
import type { Job } from './job.ts';
import { assemble, dismantle, planDisks, switchOn } from './machine.ts';
import type { FleetRow, InstanceRow } from './records.ts';

/** The machines of a fleet that stand, each with its template. */
export function membersOf(
  { cloud }: MemoryContext,
  fleet: FleetRow,
): readonly { readonly instance: InstanceRow; readonly template: MachineTemplate }[] {
  return [...fleet.members].flatMap(([id, template]) => {
    const instance = cloud.instances.get(id);
    return instance === undefined ? [] : [{ instance, template }];
  });
}

/** The template the fleet goes to. */
export function targetOf(fleet: FleetRow): MachineTemplate {
  const target = fleet.templates.at(-1);
  if (target === undefined) throw new Error(`fleet ${fleet.name} has no template`);
  return target;
}

/** Whether two templates make the same machines. */
export function sameTemplate(a: MachineTemplate, b: MachineTemplate): boolean {
  return isDeepStrictEqual(a, b);
}

/** Adds machines to a fleet; they aren't on yet. */
export function addMembers(
  context: MemoryContext,
  fleet: FleetRow,
  template: MachineTemplate,
  count: number,
  job: Job,
): readonly InstanceRow[] {
  const { cloud } = context;
  return Array.from({ length: count }, () => {
    const sequence = cloud.next();
    const name = `${fleet.name.slice(0, 50)}-${sequence}`;
    const start = {
      id: context.id('instances', name),
      sequence,
      project: context.project,
      name,
      idempotencyKey: undefined,
      createdAt: cloud.stamp(),
      labels: { ...fleet.labels, ...template.labels },
      job,
    };
    const plan = planDisks(context, template);
    const instance = assemble(context, start, { ...template, name }, plan, fleet.id);
    fleet.members.set(instance.id, template);
    return cloud.instances.add(instance);
  });
}

/** Switches on the machines of a fleet that aren't. */
export function switchOnMembers(context: MemoryContext, fleet: FleetRow): void {
  for (const { instance } of membersOf(context, fleet)) {
    if (instance.status === 'PENDING') switchOn(context, instance);
  }
}

/** Removes machines of a fleet. */
export function removeMembers(
  context: MemoryContext,
  fleet: FleetRow,
  gone: readonly InstanceRow[],
): void {
  for (const instance of gone) {
    dismantle(context, instance);
    context.cloud.instances.remove(instance);
    fleet.members.delete(instance.id);
  }
}

/** @throws {@link ImgkitError} with `QUOTA_EXCEEDED` if so many more machines aren't allowed. */
export function checkRoom({ cloud, project }: MemoryContext, more: number): void {
  const used = cloud.instances.all((row) => row.project === project).length;
  const limit = cloud.quota('instance');
  if (used + more <= limit) return;
  throw new ImgkitError('QUOTA_EXCEEDED', `project ${project} has ${used} of ${limit} instances`, {
    hint: `Make room for ${more} more.`,
  });
}
