import type { CallOptions, Fleet, FleetVersion } from '@imgkit/core';

import { imageOf } from '../instances/server-image.ts';
import { findServer } from '../instances/server-state.ts';
import type { NovaServer } from '../nova/nova-server.ts';
import type { CloudContext } from '../resources/context.ts';
import type { ScalingGroup } from './auto-scale.ts';
import { failed, readNote } from './group-note.ts';
import { templateOf } from './launch-configuration.ts';

/** A server of a group. */
export interface GroupMember {
  readonly id: string;
  readonly image: string;
  /** Whether it is of the group's launch configuration. */
  readonly isCurrent: boolean;
  readonly createdAt: string;
}

/** The servers of a group; one that somebody deleted beside the group isn't among them. */
export async function membersOf(
  context: CloudContext,
  { state, launchConfiguration }: Pick<ScalingGroup, 'state' | 'launchConfiguration'>,
  options?: CallOptions,
): Promise<readonly GroupMember[]> {
  const current = templateOf(launchConfiguration.args.server);
  const servers = await Promise.all(state.active.map(({ id }) => findServer(context, id, options)));
  return servers.flatMap((server): GroupMember[] => {
    if (server === undefined) return [];
    const image = imageOf(server) ?? '';
    const template = templateOf({
      metadata: server.metadata,
      imageRef: image,
      flavorRef: flavorOf(server),
    });
    return [{ id: server.id, image, isCurrent: template === current, createdAt: server.created }];
  });
}

/** A group as the contract has it. */
export async function showGroup(
  context: CloudContext,
  group: ScalingGroup,
  options?: CallOptions,
): Promise<Fleet> {
  const { id, groupConfiguration: configuration, state } = group;
  const { labels, createdAt, change } = readNote(configuration);
  const members = await membersOf(context, group, options);
  const oldest = members.map((member) => member.createdAt).toSorted()[0];
  return {
    id,
    name: configuration.name,
    size: change?.size ?? state.desiredCapacity,
    // Groups that imgkit didn't make don't say when they were made.
    createdAt: createdAt ?? oldest ?? new Date(0).toISOString(),
    labels,
    versions: versionsOf(context, group, members),
    instances: members.map((member) => member.id),
    status: statusOf(group),
    native: group,
  };
}

function versionsOf(
  context: CloudContext,
  { launchConfiguration }: ScalingGroup,
  members: readonly GroupMember[],
): readonly FleetVersion[] {
  const target = launchConfiguration.args.server.imageRef;
  const current = members.filter(({ isCurrent }) => isCurrent).length;
  const older = new Map<string, number>();
  for (const { image, isCurrent } of members)
    if (!isCurrent) older.set(image, (older.get(image) ?? 0) + 1);
  return [
    { image: context.ref(target), instances: current, target: true },
    ...[...older].map(([image, instances]) => ({
      image: context.ref(image),
      instances,
      target: false,
    })),
  ];
}

function statusOf({ groupConfiguration, state }: ScalingGroup): Fleet['status'] {
  const { change } = readNote(groupConfiguration);
  if (change?.changer === failed) return 'FAILED';
  if (change !== undefined) return 'ROLLING';
  if (state.active.length === state.desiredCapacity) return 'STABLE';
  return (state.errors ?? []).length > 0 ? 'FAILED' : 'ROLLING';
}

function flavorOf({ flavor }: NovaServer): string {
  return flavor.id ?? flavor.original_name ?? '';
}
