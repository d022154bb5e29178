import type { Caller } from '../iam.ts';
import type { JsonObject } from '../../control-plane/json.ts';
import { selfLink } from '../links.ts';
import { ResourceType, type Stored } from '../state.ts';
import type { GroupShape, UpdatePolicy } from './update-policy.ts';
import type { GroupVersion, MemberAction } from './group-model.ts';
import type { WantedVersion } from './versions.ts';

/** A machine of a group, or one that the group is about to make. */
export interface GroupMember {
  readonly name: string;
  readonly zone: string;
  /** What it is made of, or is being made of. */
  version: GroupVersion;
  action: MemberAction;
  /** What the last attempt to make it failed of. */
  errors: readonly JsonObject[];
}

/** A managed instance group, with what its resource doesn't tell. */
export interface GroupRecord extends Stored {
  /** Whose permissions its machines are made with: who made the group, or changed it last. */
  caller: Caller;
  shape: GroupShape;
  versions: readonly WantedVersion[];
  updatePolicy: UpdatePolicy;
  baseInstanceName: string;
  readonly members: Map<string, GroupMember>;
  /** How many machines it has named. */
  named: number;
  /** Whether it is being deleted. */
  ending: boolean;
}

/** Zonal and regional groups. */
export const groupType = new ResourceType<GroupRecord>({
  collection: 'instanceGroupManagers',
  singular: 'instanceGroupManager',
});

/** The groups that use a template, in any of their versions or with a machine that is left of it. */
export function groupsUsing(template: Stored): GroupRecord[] {
  const url = selfLink(template.link);
  return groupType
    .all(template.project)
    .filter(({ versions, members }) =>
      [...versions, ...[...members.values()].map(({ version }) => version)].some(
        (version) => version.template === url,
      ),
    );
}
