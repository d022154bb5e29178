import type { JsonObject } from '../../control-plane/json.ts';
import { selfLink } from '../links.ts';
import { instanceType } from '../resources.ts';
import { fingerprint } from '../values.ts';
import { isAvailable, sameVersion, type GroupGoal, type MemberAction } from './group-model.ts';
import type { GroupMember, GroupRecord } from './group-record.ts';
import { shownPolicy } from './update-policy.ts';
import { shownVersions } from './versions.ts';

const actions: Readonly<Record<MemberAction, string>> = {
  NONE: 'none',
  CREATING: 'creating',
  RECREATING: 'recreating',
  RESTARTING: 'restarting',
  REFRESHING: 'refreshing',
  DELETING: 'deleting',
  ABANDONING: 'abandoning',
};

/**
 * Writes what the API answers for a group.
 *
 * @param resting - whether nothing is left to be done.
 */
export function showGroup(group: GroupRecord, goal: GroupGoal, resting: boolean): void {
  const { shape, versions, updatePolicy, project, location, name } = group;
  const members = [...group.members.values()];
  const configuration = {
    baseInstanceName: group.baseInstanceName,
    targetSize: shape.size,
    versions: shownVersions(versions, shape.size),
    instanceTemplate: versions.find(({ share }) => share === undefined)?.template,
    updatePolicy: shownPolicy(updatePolicy, shape),
  };
  const counts = Object.entries(actions).map(([action, word]) => {
    return [word, members.filter((member) => member.action === action).length] as const;
  });
  const zones = shape.zones.map((zone) => ({
    zone: selfLink(`projects/${project.id}/zones/${zone}`),
  }));
  Object.assign(group.resource, configuration, {
    fingerprint: fingerprint([configuration, group.resource['description']]),
    instanceGroup: selfLink(`projects/${project.id}/${location}/instanceGroups/${name}`),
    distributionPolicy: shape.regional ? { zones, targetShape: 'EVEN' } : undefined,
    listManagedInstancesResults: 'PAGELESS',
    currentActions: Object.fromEntries(counts),
    status: {
      isStable: resting && members.every(({ action }) => action === 'NONE'),
      versionTarget: { isReached: isReached(goal, members) },
      stateful: { hasStatefulConfig: false },
    },
  });
}

/** Whether every machine that shall be runs, and is of its version. */
function isReached({ versions }: GroupGoal, members: readonly GroupMember[]): boolean {
  const running = members.filter(isAvailable);
  return versions.every(
    (version) =>
      running.filter((member) => sameVersion(member.version, version)).length === version.count,
  );
}

/** A machine of a group as `listManagedInstances` shows it. */
export function shownMember(group: GroupRecord, member: GroupMember): JsonObject {
  const { name, zone, version, action, errors } = member;
  const instance = instanceType.find(group.project, `zones/${zone}`, name);
  const link = instanceType.link(group.project.id, `zones/${zone}`, name);
  return {
    instance: selfLink(link),
    name,
    id: instance?.resource['id'],
    instanceStatus: instance?.resource['status'],
    currentAction: action,
    targetStatus: action === 'DELETING' ? 'DELETED' : 'RUNNING',
    version: {
      name: version.name === '' ? undefined : version.name,
      instanceTemplate: version.template,
    },
    lastAttempt: errors.length > 0 ? { errors: { errors } } : undefined,
  };
}
