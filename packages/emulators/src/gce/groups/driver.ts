import { createHash } from 'node:crypto';

import { objectOf, textMapOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import { computeDescription } from '../api-description.ts';
import { Call } from '../call.ts';
import { ApiError } from '../errors.ts';
import type { InstanceRecord } from '../instances/instance-record.ts';
import { halt, removeInstance, run } from '../instances/life.ts';
import { beginInstance, shownMetadata } from '../instances/new-instance.ts';
import { inTurn } from '../instances/turns.ts';
import { selfLink } from '../links.ts';
import { instanceType } from '../resources.ts';
import { putLabels } from '../services/labels.ts';
import type { World } from '../state.ts';
import { goalOf, templateProperties } from './group-goal.ts';
import type { GroupStep, GroupVersion } from './group-model.ts';
import { groupType, type GroupMember, type GroupRecord } from './group-record.ts';
import { showGroup } from './group-view.ts';
import { planGroup } from './planner.ts';

/** How long a group waits before it tries again to make a machine, in operations' times. */
const retryFactor = 10;
const leastRetryMs = 1000;

/** Does for a group what its goal asks for now: makes and deletes machines, as their owner would with the API. */
export function advanceGroup(world: World, group: GroupRecord): void {
  if (!groupType.has(group) || group.ending) return;
  const goal = goalOf(group);
  const steps = planGroup(goal, [...group.members.values()]);
  for (const step of steps) new Doing(world, group).carryOut(step);
  const gone = steps.some((step) => step.kind === 'delete' && !group.members.has(step.name));
  if (gone) advanceGroup(world, group);
  else showGroup(group, goal, steps.length === 0);
}

/** Makes one machine anew, whatever the bounds of the group say. */
export function changeMember(
  world: World,
  group: GroupRecord,
  step: Exclude<GroupStep, { kind: 'create' }>,
): void {
  new Doing(world, group).carryOut(step);
}

/** Deletes all machines of a group at once; the group makes none any more. */
export async function endGroup(world: World, group: GroupRecord): Promise<void> {
  for (const { name, zone } of group.members.values()) {
    const record = instanceType.find(group.project, `zones/${zone}`, name);
    if (record) await inTurn(record, () => removeInstance(world, record));
  }
  group.members.clear();
}

class Doing {
  readonly #world: World;
  readonly #group: GroupRecord;

  constructor(world: World, group: GroupRecord) {
    this.#world = world;
    this.#group = group;
  }

  carryOut(step: GroupStep): void {
    const { members } = this.#group;
    if (step.kind === 'create') {
      const { zone, version } = step;
      const name = this.#newName();
      const member: GroupMember = { name, zone, version, action: 'CREATING', errors: [] };
      members.set(name, member);
      this.#make(member);
      return;
    }
    const member = members.get(step.name);
    if (!member) return;
    if (step.kind === 'delete') this.#delete(member);
    else if (step.kind === 'recreate') this.#recreate(member, step.version);
    else this.#alter(member, step.version, step.kind);
  }

  #make(member: GroupMember): void {
    const { name, zone, version } = member;
    const body = { name };
    const query = { sourceInstanceTemplate: version.template };
    try {
      const call = this.#call('Instances.Insert', zone, body, query);
      const { record, plan } = beginInstance(call);
      call.start({
        ...plan,
        finish: async () => {
          await plan.finish?.();
          record.watchers.add(() => this.#lost(member));
          this.#done(member);
        },
        failed: async (failure) => {
          await plan.failed?.(failure);
          this.#failed(member, failure.code, failure.message);
        },
      });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#failed(member, operationCode(error), error.message);
    }
  }

  #done(member: GroupMember): void {
    if (member.action !== 'DELETING') {
      member.action = 'NONE';
      member.errors = [];
    }
    advanceGroup(this.#world, this.#group);
  }

  #failed(member: GroupMember, code: string, message: string): void {
    const world = this.#world;
    if (member.action === 'DELETING') {
      this.#forget(member);
      advanceGroup(world, this.#group);
      return;
    }
    member.errors = [{ code, message }];
    const ms = world.operationMs({ rpc: 'Instances.Insert', targetLink: this.#link(member) });
    world.clock.after(Math.max(leastRetryMs, ms * retryFactor), () => {
      const waits = member.action === 'CREATING' || member.action === 'RECREATING';
      if (waits && this.#has(member)) this.#make(member);
    });
    if (!this.#group.ending) showGroup(this.#group, goalOf(this.#group), false);
  }

  #delete(member: GroupMember): void {
    member.action = 'DELETING';
    const record = this.#instance(member);
    if (record) this.#remove(member, record);
    else this.#forget(member);
  }

  #recreate(member: GroupMember, version: GroupVersion): void {
    const record = this.#instance(member);
    const begun = member.action === 'CREATING' || member.action === 'RECREATING';
    member.action = 'RECREATING';
    member.version = version;
    if (record) this.#remove(member, record);
    else if (!begun) this.#make(member);
  }

  /** Deletes a machine; what comes then is told by what the group does with it. */
  #remove({ zone }: GroupMember, record: InstanceRecord): void {
    record.resource['status'] = 'STOPPING';
    this.#call('Instances.Delete', zone, {}, {}).start({
      type: 'delete',
      location: record.location,
      target: record,
      finish: () => inTurn(record, () => removeInstance(this.#world, record)),
    });
  }

  /** A machine is gone, by the group's own doing or not. */
  #lost(member: GroupMember): void {
    if (!this.#has(member)) return;
    if (member.action === 'ABANDONING') return;
    if (member.action === 'DELETING') {
      this.#forget(member);
      advanceGroup(this.#world, this.#group);
      return;
    }
    member.action = 'RECREATING';
    this.#make(member);
    showGroup(this.#group, goalOf(this.#group), false);
  }

  #alter(member: GroupMember, version: GroupVersion, how: 'restart' | 'refresh'): void {
    const record = this.#instance(member);
    if (!record) return;
    member.action = how === 'restart' ? 'RESTARTING' : 'REFRESHING';
    member.version = version;
    const world = this.#world;
    const properties = templateProperties(this.#group.project, version.template) ?? {};
    this.#call('Instances.Update', member.zone, {}, {}).start({
      type: 'update',
      location: record.location,
      target: record,
      finish: () =>
        inTurn(record, async () => {
          if (how === 'restart') await halt(world, record, true);
          applyProperties(record, properties, how);
          if (how === 'restart') await run(world, record);
          this.#done(member);
        }),
    });
  }

  #forget({ name }: GroupMember): void {
    this.#group.members.delete(name);
  }

  #has(member: GroupMember): boolean {
    const { ending, members } = this.#group;
    return !ending && members.get(member.name) === member;
  }

  #instance({ zone, name }: GroupMember): InstanceRecord | undefined {
    return instanceType.find(this.#group.project, `zones/${zone}`, name);
  }

  #link({ zone, name }: GroupMember): string {
    return selfLink(instanceType.link(this.#group.project.id, `zones/${zone}`, name));
  }

  /** `web-x7f2`: the group's word and four characters. */
  #newName(): string {
    const group = this.#group;
    for (;;) {
      const digest = createHash('sha256')
        .update(`${group.link} ${(group.named += 1)}`)
        .digest();
      const mark = digest.readUInt32BE().toString(36).padStart(4, '0').slice(0, 4);
      const name = `${group.baseInstanceName}-${mark}`;
      if (!group.members.has(name)) return name;
    }
  }

  #call(
    rpc: string,
    zone: string,
    body: JsonObject,
    query: Readonly<Record<string, string>>,
  ): Call {
    const { project, caller } = this.#group;
    const method = computeDescription().methods.find((each) => each.rpc === rpc);
    if (!method) throw new Error(`Compute Engine has no method ${rpc}`);
    return new Call({
      world: this.#world,
      project,
      caller,
      method,
      parameters: { project: project.id, zone },
      search: new URLSearchParams(query),
      body,
      effects: [],
      gone: new AbortController().signal,
    });
  }
}

/** What a running machine takes over from another template, and what it takes over when it is started again. */
function applyProperties(
  { resource, project, location }: InstanceRecord,
  properties: JsonObject,
  how: 'restart' | 'refresh',
): void {
  resource['metadata'] = shownMetadata(objectOf(properties, 'metadata'));
  resource['tags'] = objectOf(properties, 'tags') ?? {};
  putLabels(resource, textMapOf(properties, 'labels'));
  if (how === 'refresh') return;
  const type = textOf(properties, 'machineType') ?? '';
  resource['machineType'] = selfLink(`projects/${project.id}/${location}/machineTypes/${type}`);
}

/** The code that an operation has for a refusal: `RESOURCE_NOT_FOUND`. */
function operationCode({ status, reason }: ApiError): string {
  if (status === 404) return 'RESOURCE_NOT_FOUND';
  if (status === 409) return 'RESOURCE_ALREADY_EXISTS';
  return reason.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}
