import { randomUUID } from 'node:crypto';
import {
  ImgkitError,
  type CallOptions,
  type Instance,
  type LaunchRequest,
  type MachineTemplate,
  type OperationControl,
} from '@imgkit/core';

import type { GceContext } from '../context.ts';
import { creationLabels } from '../resources/creation.ts';
import { diagnosed } from './diagnosis.ts';
import { toGceLabels } from '../resources/labels.ts';
import { readMachineOptions } from '../mapping/machine-options.ts';
import { checkSize, toMachine } from '../mapping/machine-template.ts';
import { checkName } from '../resources/names.ts';
import { formatId, parseIdOf, zoneOf } from '../resources/resource-id.ts';
import { makeResource, type ResourceKind } from '../resources/resource-calls.ts';
import { usableImage, usableSnapshot, type DiskContent } from '../resources/sources.ts';

/** Google takes time limits from 30 seconds to 120 days. Source: its "Limit the run time of a VM". */
const leastLifeMs = 30_000;
const mostLifeMs = 120 * 86_400_000;

/** Makes a machine, once for a key, and waits until it runs. */
export async function launchInstance(
  context: GceContext,
  kind: ResourceKind<Instance>,
  request: LaunchRequest,
  control: OperationControl,
): Promise<Instance> {
  const { name, idempotencyKey: key } = request;
  checkName('instance', name);
  refuseHostKey(request);
  const options = readMachineOptions(request.providerOptions);
  const labels = toGceLabels(request.labels, creationLabels(key));
  const expiresAt = expiry(request.expiresAt, context.clock.now());
  const zone = await zoneFor(context, request, options.zone, control);
  const content = await bootContent(context, request, control);
  const { project } = context;
  const scope = `zones/${zone}`;
  const id = formatId({ project, scope, collection: 'instances', name });
  const plan = {
    project,
    scope,
    name,
    labels,
    options,
    expiresAt,
    architecture: content?.architecture,
    launch: key ?? randomUUID(),
  };
  const instanceResource = { name, ...toMachine(request, plan) };
  const made = { id, key, call: 'instances.launch', request: { project, zone, instanceResource } };
  try {
    return await makeResource(context, kind, made, control);
  } catch (error) {
    const { boot } = request;
    const image = boot.kind === 'image' ? boot.image.id : undefined;
    throw await diagnosed(context, error, { instance: id, disks: standingDisks(request), image });
  }
}

/** The instant at which a machine removes itself, as Google writes instants. */
export function expiry(expiresAt: string | undefined, now: number): string | undefined {
  if (expiresAt === undefined) return undefined;
  const time = /^\d{4}-\d\d-\d\dT/.test(expiresAt) ? Date.parse(expiresAt) : Number.NaN;
  if (Number.isNaN(time))
    throw new ImgkitError('INVALID_ARGUMENT', `"${expiresAt}" isn't an instant`, {
      hint: 'Write `expiresAt` as ISO 8601, with the time zone: 2026-11-21T09:00:00Z.',
    });
  if (time - now < leastLifeMs || time - now > mostLifeMs)
    throw new ImgkitError('INVALID_ARGUMENT', `a machine can't remove itself at ${expiresAt}`, {
      hint: 'Google takes times from 30 seconds to 120 days from now; leave `expiresAt` out for others.',
    });
  return new Date(time).toISOString();
}

/** @throws {@link ImgkitError} with `UNSUPPORTED` if a host key is given, which Google can't pass on. */
export function refuseHostKey({ hostKey }: Pick<LaunchRequest, 'hostKey'>): void {
  if (hostKey === undefined) return;
  throw new ImgkitError('UNSUPPORTED', 'a machine at GCE can’t be given its host key', {
    hint: 'Ask the endpoint for the keys that the guest publishes.',
  });
}

/** The zone asked for, else that of the disks that are to be used, else the provider's. */
async function zoneFor(
  context: GceContext,
  template: MachineTemplate,
  wanted: string | undefined,
  options: CallOptions,
): Promise<string> {
  const zones = standingDisks(template).flatMap(
    (id) => zoneOf(parseIdOf('disks', id)?.scope ?? '') ?? [],
  );
  const zone = wanted ?? zones[0] ?? (await context.zone(options));
  const other = zones.find((one) => one !== zone);
  if (other === undefined) return zone;
  throw new ImgkitError('INVALID_ARGUMENT', `the machine is in ${zone}, and a disk in ${other}`, {
    hint: 'A machine uses disks of its own zone only.',
  });
}

/** What is known of what the machine boots from; nothing of a disk, which stands as it is. */
async function bootContent(
  context: GceContext,
  { boot, bootDiskSizeBytes }: MachineTemplate,
  options: CallOptions,
): Promise<DiskContent | undefined> {
  if (boot.kind === 'disk') return undefined;
  const content =
    boot.kind === 'image'
      ? await usableImage(context, boot.image, options)
      : await usableSnapshot(context, boot.snapshot, options);
  checkSize('the boot disk', bootDiskSizeBytes, content.sizeBytes);
  return content;
}

function standingDisks({ boot, disks = [] }: MachineTemplate): readonly string[] {
  return [
    ...(boot.kind === 'disk' ? [boot.disk] : []),
    ...disks.flatMap((one) => ('disk' in one ? [one.disk] : [])),
  ];
}
