import { createHash } from 'node:crypto';

import type { CallOptions, Labels, MachineTemplate } from '@imgkit/core';

import { planServer } from '../instances/server-plan.ts';
import { toServerMetadata } from '../instances/server-metadata.ts';
import type { CloudContext } from '../resources/context.ts';
import { invalid } from '../resources/rules.ts';
import type { LaunchConfiguration } from './auto-scale.ts';

/** What of a server's metadata says which launch configuration it was made with. */
const templateKey = 'imgkit:template';

/** The launch configuration of a new group. */
export async function newLaunch(
  context: CloudContext,
  name: string,
  labels: Labels,
  template: MachineTemplate,
  options: CallOptions,
): Promise<LaunchConfiguration & { readonly type: string }> {
  const { server } = await planned(context, template, options);
  const made = { name, ...server, metadata: metadataOf(labels, template) };
  return marked({ type: 'launch_server', args: { server: made } });
}

/** A launch configuration for another template: what the template doesn't speak of stays as it is. */
export async function changedLaunch(
  context: CloudContext,
  before: LaunchConfiguration,
  labels: Labels,
  template: MachineTemplate,
  options: CallOptions,
): Promise<LaunchConfiguration> {
  const { server } = await planned(context, template, options);
  const old = before.args.server;
  const changed = {
    ...old,
    ...server,
    flavorRef: template.machineType === undefined ? old.flavorRef : server.flavorRef,
    metadata: { ...old.metadata, ...metadataOf(labels, template) },
  };
  return marked({ ...before, args: { ...before.args, server: changed } });
}

/** What tells servers of one launch configuration from those of another. */
export function templateOf(server: {
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly imageRef: string;
  readonly flavorRef: string;
}): string {
  // Of groups that imgkit hasn't changed yet.
  return server.metadata?.[templateKey] ?? `${server.imageRef} ${server.flavorRef}`;
}

async function planned(context: CloudContext, template: MachineTemplate, options: CallOptions) {
  if (template.boot.kind !== 'image' || (template.disks ?? []).length > 0)
    throw invalid(
      'servers of a group here boot from an image, and have no further disks',
      'Give an image as the boot source, and no disks.',
    );
  const { server } = await planServer(context, template, undefined, options);
  const { imageRef = template.boot.image.id, flavorRef, user_data, networks } = server;
  const { security_groups, availability_zone } = server;
  const disk = 'OS-DCF:diskConfig';
  const given = { user_data, security_groups, availability_zone, [disk]: server[disk] };
  const connected = Array.isArray(networks) ? { networks } : {};
  // Without user data nothing needs a drive.
  const drive = user_data === undefined ? {} : { config_drive: true };
  const rest = Object.entries(given).filter(([, value]) => value !== undefined);
  return {
    server: { imageRef, flavorRef, ...connected, ...drive, ...Object.fromEntries(rest) },
  };
}

function metadataOf(labels: Labels, { metadata = {}, labels: own, ports }: MachineTemplate) {
  return toServerMetadata({ labels: { ...labels, ...own }, metadata, ports });
}

/** Servers carry the digest of what they were made with. */
function marked<T extends LaunchConfiguration>(launch: T): T {
  const { [templateKey]: _, ...metadata } = launch.args.server.metadata ?? {};
  const server = { ...launch.args.server, metadata };
  const digest = createHash('sha256').update(ordered(server)).digest('hex').slice(0, 32);
  const noted = { ...server, metadata: { ...metadata, [templateKey]: digest } };
  return { ...launch, args: { ...launch.args, server: noted } };
}

/** A value as JSON in which the order of its fields says nothing: the cloud gives them in any. */
function ordered(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
