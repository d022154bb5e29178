import { textOf, type JsonObject } from '../../control-plane/json.ts';
import type { Call, Service } from '../call.ts';
import { conditionNotMet, invalid, required } from '../errors.ts';
import { balanceOf } from '../groups/balance.ts';
import { allowedDisruption } from '../groups/disruption.ts';
import { advanceGroup, changeMember, endGroup } from '../groups/driver.ts';
import { goalOf, neededDisruption } from '../groups/group-goal.ts';
import { disruptions, type Disruption } from '../groups/group-model.ts';
import { groupType, type GroupMember, type GroupRecord } from '../groups/group-record.ts';
import {
  readGroupRequest,
  readInstances,
  readSize,
  templateLink,
} from '../groups/group-request.ts';
import { shownMember, showGroup } from '../groups/group-view.ts';
import { regionOf, zonesOf } from '../locations.ts';
import { aggregatedAnswer, listAnswer } from '../paging.ts';
import { defineMetric, reserve } from '../quotas.ts';
import { newResource } from '../state.ts';
import { checkName } from '../values.ts';

const groupQuota = defineMetric({
  name: 'INSTANCE_GROUP_MANAGERS',
  scope: 'region',
  limit: 1000,
  used: (project, region) =>
    groupType.all(project).filter(({ location }) => regionOf(location) === region).length,
});

/** Groups are changed at once; what an operation takes is only the time until Google says so. */
function change(call: Call, type: string, group: GroupRecord): JsonObject {
  advanceGroup(call.world, group);
  return call.start({ type, location: group.location, target: group });
}

function target(call: Call, permission: string): GroupRecord {
  return call.target(groupType, `compute.instanceGroupManagers.${permission}`);
}

function insert(call: Call): JsonObject {
  const { world, project, location, body } = call;
  call.permit('compute.instanceGroupManagers.create', project);
  const name = checkName('resource.name', textOf(body, 'name'));
  const request = readGroupRequest(call, name, undefined);
  reserve(groupQuota, project, 1, regionOf(location));
  const group: GroupRecord = {
    ...newResource(world, groupType, project, location, name),
    ...request,
    caller: call.parts.caller,
    members: new Map(),
    named: 0,
    ending: false,
  };
  const { description, namedPorts, autoHealingPolicies, targetPools } = body;
  Object.assign(group.resource, { description, namedPorts, autoHealingPolicies, targetPools });
  groupType.add(group);
  showGroup(group, goalOf(group), false);
  return call.start({
    type: 'insert',
    location,
    target: group,
    finish: () => advanceGroup(world, group),
    failed: () => groupType.remove(group),
  });
}

function patch(call: Call): JsonObject {
  const group = target(call, 'update');
  const { body } = call;
  const mark = textOf(body, 'fingerprint');
  if (mark !== undefined && mark !== group.resource['fingerprint']) {
    throw conditionNotMet('Supplied fingerprint does not match the current one of the group.');
  }
  Object.assign(group, readGroupRequest(call, group.name, group), { caller: call.parts.caller });
  const kept = ['description', 'namedPorts', 'autoHealingPolicies', 'targetPools'];
  for (const key of kept) if (body[key] !== undefined) group.resource[key] = body[key];
  return change(call, 'patch', group);
}

function resize(call: Call): JsonObject {
  const group = target(call, 'update');
  group.shape = { ...group.shape, size: readSize(call.query('size'), 'size') };
  return change(call, 'resize', group);
}

function setInstanceTemplate(call: Call): JsonObject {
  const group = target(call, 'update');
  const url = textOf(call.body, 'instanceTemplate');
  if (url === undefined) throw required('instanceTemplate');
  group.versions = [{ name: '', template: templateLink(call, url, 'instanceTemplate') }];
  return change(call, 'setInstanceTemplate', group);
}

function remove(call: Call): JsonObject {
  const group = target(call, 'delete');
  group.ending = true;
  for (const member of group.members.values()) member.action = 'DELETING';
  showGroup(group, goalOf(group), false);
  return call.start({
    type: 'delete',
    location: group.location,
    target: group,
    async finish() {
      await endGroup(call.world, group);
      groupType.remove(group);
    },
  });
}

/** The members that a request names. */
function named(call: Call, group: GroupRecord): readonly GroupMember[] {
  return readInstances(call.body).map((name) => {
    const member = group.members.get(name);
    if (member) return member;
    throw invalid('instances', name, 'The instance does not belong to the group.');
  });
}

function deleteInstances(call: Call): JsonObject {
  const group = target(call, 'update');
  const members = named(call, group).filter(({ action }) => action !== 'DELETING');
  group.shape = { ...group.shape, size: Math.max(0, group.shape.size - members.length) };
  for (const { name } of members) changeMember(call.world, group, { kind: 'delete', name });
  return change(call, 'deleteInstances', group);
}

function recreateInstances(call: Call): JsonObject {
  const group = target(call, 'update');
  for (const { name, version } of named(call, group)) {
    changeMember(call.world, group, { kind: 'recreate', name, version });
  }
  return change(call, 'recreateInstances', group);
}

/** Brings chosen machines to their versions at once: the bounds of the update policy don't count. */
function applyUpdates(call: Call): JsonObject {
  const group = target(call, 'update');
  const all = call.body['allInstances'] === true;
  const chosen = all ? [...group.members.values()] : named(call, group);
  const minimal = readDisruption(call, 'minimalAction', 'NONE');
  const most = readDisruption(call, 'mostDisruptiveAllowedAction', 'REPLACE');
  const { surplus, missing } = balanceOf(goalOf(group), [...group.members.values()]);
  const open = [...missing];
  for (const member of chosen) {
    const version = surplus.includes(member) ? (open.shift() ?? member.version) : member.version;
    const needed = neededDisruption(group.project, member.version, version);
    const disruption = allowedDisruption(needed, minimal, most);
    if (disruption === undefined) {
      throw invalid('mostDisruptiveAllowedAction', most, `The update needs ${needed}.`);
    }
    if (disruption === 'NONE' && version === member.version) continue;
    const kind =
      disruption === 'REPLACE' ? 'recreate' : disruption === 'RESTART' ? 'restart' : 'refresh';
    changeMember(call.world, group, { kind, name: member.name, version });
  }
  return change(call, 'applyUpdatesToInstances', group);
}

function readDisruption(call: Call, field: string, usual: Disruption): Disruption {
  const text = textOf(call.body, field) ?? usual;
  const found = disruptions.find((each) => each === text);
  if (found) return found;
  throw invalid(field, text, `It must be one of ${disruptions.join(', ')}.`);
}

function listManagedInstances(call: Call): JsonObject {
  const group = target(call, 'get');
  const members = [...group.members.values()];
  return {
    managedInstances:
      members.length > 0 ? members.map((member) => shownMember(group, member)) : undefined,
  };
}

const groups: Service = {
  Insert: insert,
  Get: (call) => target(call, 'get').resource,
  List(call) {
    call.permit('compute.instanceGroupManagers.list', call.project);
    return listAnswer(call, groupType);
  },
  Patch: patch,
  Resize: resize,
  SetInstanceTemplate: setInstanceTemplate,
  Delete: remove,
  DeleteInstances: deleteInstances,
  RecreateInstances: recreateInstances,
  ApplyUpdatesToInstances: applyUpdates,
  ListManagedInstances: listManagedInstances,
};

export const instanceGroupManagers: Service = {
  ...groups,
  AggregatedList(call) {
    call.permit('compute.instanceGroupManagers.list', call.project);
    const { regions } = call.world;
    const locations = Object.keys(regions).map((region) => `regions/${region}`);
    return aggregatedAnswer(call, groupType, [...locations, ...zonesOf(regions)]);
  },
};

export const regionInstanceGroupManagers: Service = groups;
