import type { CallOptions, MachineTemplate, OperationControl, RolloutMember } from '@imgkit/core';

import { isGone, statusOfServer } from '../instances/instance-view.ts';
import { launchServer } from '../instances/launch.ts';
import { readMachineOptions } from '../instances/machine-options.ts';
import { planServer } from '../instances/server-plan.ts';
import { removeInstance } from '../instances/removal.ts';
import { toServerMetadata } from '../instances/server-metadata.ts';
import { awaitServer } from '../instances/server-state.ts';
import { toLabels } from '../mapping.ts';
import type { NovaServer } from '../nova/nova-server.ts';
import type { CloudContext } from '../resources/context.ts';
import { usableImage } from '../resources/image-access.ts';
import { bootImage, stopped, targetOf, templateId } from './fleet-document.ts';
import type { FleetRecord } from './fleet-record.ts';

/** What a machine of a fleet says of itself in its metadata. */
const entries = {
  fleet: 'imgkit:fleet',
  template: 'imgkit:fleet-template',
  member: 'imgkit:fleet-member',
} as const;

/** A machine of a fleet. */
export interface FleetMember extends RolloutMember {
  readonly server: NovaServer;
  readonly template: string;
  readonly number: number;
  /** Whether it is on its way up: nobody knows yet whether it will run. */
  readonly pending: boolean;
}

/** The machines of a fleet that stand, whatever state they are in, in the order of their numbers. */
export async function membersOf(
  context: CloudContext,
  { image, doc }: FleetRecord,
  options?: CallOptions,
): Promise<readonly FleetMember[]> {
  const target = targetOf(doc);
  const members: FleetMember[] = [];
  for await (const server of context.nova.list({}, options)) {
    const { metadata = {} } = server;
    if (metadata[entries.fleet] !== image.id || isGone(server)) continue;
    const status = statusOfServer(server);
    if (status === 'DELETING') continue;
    const template = metadata[entries.template] ?? '';
    members.push({
      id: server.id,
      target: template === target,
      running: status === 'RUNNING',
      pending: status === 'PENDING',
      server,
      template,
      number: Number(metadata[entries.member] ?? 0),
    });
  }
  return members.toSorted((a, b) => a.number - b.number);
}

/**
 * Launches machines of the target. Each has a number, and is launched with a key that depends on it: who takes a
 * rollout over launches the same ones again, and so makes no further ones. Gives their ids.
 */
export async function addMembers(
  context: CloudContext,
  record: FleetRecord,
  members: readonly FleetMember[],
  count: number,
  control: OperationControl,
): Promise<readonly string[]> {
  const { image, doc } = record;
  const target = targetOf(doc);
  const template = doc.templates[target];
  const fleetName = image.name ?? image.id;
  if (template === undefined) throw stopped(fleetName, 'its template is gone');
  const taken = new Set(members.map(({ number }) => number));
  const numbers: number[] = [];
  for (let number = 1; numbers.length < count; number += 1)
    if (!taken.has(number)) numbers.push(number);
  const silent = { ...control, accepted: () => undefined, progress: () => undefined };
  const launches = await Promise.allSettled(
    numbers.map((number) =>
      launchServer(
        context,
        {
          ...here(context, template),
          name: `${fleetName.slice(0, 240)}-${number}`,
          labels: { ...toLabels(image), ...template.labels },
          idempotencyKey: `fleet ${image.id} ${target} ${number}`,
        },
        silent,
        async (...given) => ({
          ...(await planServer(...given)),
          notes: notesOf(image.id, target, number),
        }),
      ),
    ),
  );
  return launches.map((launch) => {
    if (launch.status === 'rejected') throw launch.reason;
    return launch.value.id;
  });
}

/** Has the disk of a machine made anew from the target's image: it keeps its id and its addresses. */
export async function rebuildMember(
  context: CloudContext,
  { image, doc }: FleetRecord,
  { id, number }: FleetMember,
  options: CallOptions,
): Promise<void> {
  const target = targetOf(doc);
  const template = doc.templates[target];
  if (template === undefined) throw stopped(image.name ?? image.id, 'its template is gone');
  const boot = await usableImage(context, context.ref(bootImage(template)), options);
  const { labels, metadata = {}, ports } = template;
  await context.nova.rebuild(
    id,
    {
      imageRef: boot.id,
      'OS-DCF:diskConfig': readMachineOptions(template.providerOptions).diskConfig,
      metadata: {
        ...toServerMetadata({ labels: { ...toLabels(image), ...labels }, metadata, ports }),
        ...notesOf(image.id, target, number),
      },
    },
    options,
  );
  await awaitServer(context, id, (server) => server.status !== 'REBUILD', options);
}

/** Deletes machines, and waits until they are gone. */
export async function removeMembers(
  context: CloudContext,
  ids: readonly string[],
  options?: CallOptions,
): Promise<void> {
  await Promise.all(ids.map((id) => removeInstance(context, id, options)));
}

/** The template, whatever this provider was called when it was written down. */
function here(context: CloudContext, template: MachineTemplate): MachineTemplate {
  return { ...template, boot: { kind: 'image', image: context.ref(bootImage(template)) } };
}

function notesOf(fleet: string, template: string, number: number): Record<string, string> {
  return {
    [entries.fleet]: fleet,
    [entries.template]: template,
    [entries.member]: String(number),
  };
}

/** Whether a rebuild can make machines of one template out of those of another: only the image and data may differ. */
export function canRebuild(from: MachineTemplate, to: MachineTemplate): boolean {
  return templateId(fixedPart(from)) === templateId(fixedPart(to));
}

/** What a rebuild leaves as it is. */
function fixedPart({
  labels: _labels,
  metadata: _metadata,
  ...rest
}: MachineTemplate): MachineTemplate {
  return { ...rest, boot: { kind: 'image', image: { provider: '', id: '' } } };
}
