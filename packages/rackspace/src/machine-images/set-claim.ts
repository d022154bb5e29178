import { ImgkitError, type CreateMachineImageRequest } from '@imgkit/core';

import { isRefusal, statusOf } from '../errors.ts';
import { propertyOf, type GlanceImage } from '../glance/glance-image.ts';
import { imageOf } from '../instances/server-image.ts';
import { findServer } from '../instances/server-state.ts';
import { isOurs, labelProperty, properties, recordKind } from '../mapping.ts';
import type { NovaServer } from '../nova/nova-server.ts';
import type { CloudContext } from '../resources/context.ts';
import { findImage } from '../resources/image-access.ts';
import { removeImage } from '../resources/image-deletion.ts';
import { thisProcess } from '../resources/image-maker.ts';
import { describeServer } from './configuration.ts';
import { checkNameFree } from './record.ts';
import { holdStill, letGo, pauseOf } from './stillness.ts';

/** A new machine image, checked. */
export interface SetRequest extends CreateMachineImageRequest {
  /** The digest of its key. */
  readonly key: string;
  /** Whether a running server with several disks is paused, so that they are of one moment. */
  readonly pause: boolean;
}

/**
 * The record that a key stands for, made if it isn't there. The record comes before all parts, so that nothing is
 * made that nobody would find: for a server with a disk of its own it is the image of that disk, for one that
 * boots from a volume an image without data.
 */
export async function claimRecord(
  context: CloudContext,
  request: SetRequest,
  signal: AbortSignal,
): Promise<{ readonly id: string; readonly isNew: boolean }> {
  const { key, instance, name } = request;
  const known = await withKey(context, key, signal);
  if (known !== undefined) return { id: known.id, isNew: false };
  await checkNameFree(context, name, { signal });
  await releaseLeft(context, instance, key, signal);
  const { server, configuration } = await describeServer(context, instance, { signal });
  checkState(server);
  const metadata = await firstProperties(context, request, server, signal);
  const mustPause = server.status === 'ACTIVE' && configuration.disks.length > 1 && request.pause;
  try {
    if (mustPause) await pauseServer(context, server, request, signal);
    const id = await makeRecord(context, request, server, metadata, signal);
    return await settle(context, id, key, signal);
  } catch (error) {
    await letGo(context, instance, key);
    throw error;
  }
}

/**
 * Lets a server run again that was paused for a machine image that nobody makes any more, and of which there is no
 * record: it would stand still for ever.
 *
 * @throws `UNAVAILABLE` while another call has it stand still.
 */
async function releaseLeft(
  context: CloudContext,
  id: string,
  key: string,
  signal: AbortSignal,
): Promise<void> {
  const server = await findServer(context, id, { signal });
  const pause = server && pauseOf(server);
  if (pause === undefined || (await withKey(context, pause.key, signal)) !== undefined) return;
  if (pause.isMade === true && pause.key !== key) throw busy(id);
  if (pause.isMade === false) await letGo(context, id, pause.key, { signal });
}

/** Of two that were made with one key at the same time, the older one stays. */
async function settle(
  context: CloudContext,
  id: string,
  key: string,
  signal: AbortSignal,
): Promise<{ readonly id: string; readonly isNew: boolean }> {
  const first = await withKey(context, key, signal);
  if (first === undefined || first.id === id) return { id, isNew: true };
  await removeImage(context, id);
  return { id: first.id, isNew: false };
}

async function makeRecord(
  context: CloudContext,
  { name, instance, key }: SetRequest,
  server: NovaServer,
  metadata: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string> {
  try {
    if (imageOf(server) !== undefined)
      return await context.nova.createImage(instance, { name, metadata }, { signal });
    const body = {
      name,
      visibility: 'private',
      disk_format: 'raw',
      container_format: 'bare',
      ...metadata,
    };
    return (await context.glance.create(body, { signal })).id;
  } catch (error) {
    // The answer was lost, or the server refused after the image was made, which nobody will ever fill.
    const made = await withKey(context, key, undefined).catch(() => undefined);
    const isBusy = statusOf(error) === 409 || /UnexpectedTaskState/.test(String(error));
    if (made !== undefined && !isBusy && !isRefusal(error) && !signal.aborted) return made.id;
    if (made !== undefined && propertyOf(made, properties.maker) === thisProcess())
      await removeImage(context, made.id);
    if (!isBusy) throw error;
    throw busy(instance, error);
  }
}

function busy(instance: string, cause?: unknown): ImgkitError {
  return new ImgkitError('UNAVAILABLE', `instance "${instance}" is busy`, {
    resource: instance,
    hint: 'Another image is being made of it, or it changes its state: try again later.',
    cause,
  });
}

/** What the record is to have from its first moment; what it would inherit of ours is made void. */
async function firstProperties(
  context: CloudContext,
  { labels = {}, key, instance }: SetRequest,
  server: NovaServer,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const parent = imageOf(server);
  const known = parent === undefined ? undefined : await findImage(context, parent, { signal });
  const metadata: Record<string, string> = {};
  for (const name of Object.keys(known ?? {}).filter(isOurs)) metadata[name] = '';
  Object.assign(metadata, {
    [properties.kind]: 'machine-image',
    [properties.key]: key,
    [properties.unfinished]: 'machine-image',
    [properties.maker]: thisProcess(),
    [properties.origin]: `instance:${instance}`,
    [properties.description]: '',
  });
  for (const [label, value] of Object.entries(labels)) metadata[labelProperty(label)] = value;
  return metadata;
}

/** The oldest record that this key has made. */
async function withKey(
  context: CloudContext,
  key: string,
  signal: AbortSignal | undefined,
): Promise<GlanceImage | undefined> {
  const query = new URLSearchParams({
    owner: context.project,
    [properties.key]: key,
  });
  const { images } = await context.glance.page(query, { signal });
  return images
    .filter((image) => recordKind(image) === 'machine-image' && image.status !== 'deleted')
    .toSorted((a, b) => order(a).localeCompare(order(b)))[0];
}

function order({ created_at: at, id }: GlanceImage): string {
  return `${at} ${id}`;
}

/** Nova makes images of servers in these states. https://docs.openstack.org/api-ref/compute/#create-image-createimage-action */
function checkState({ id, status }: NovaServer): void {
  if (['ACTIVE', 'SHUTOFF', 'PAUSED', 'SUSPENDED'].includes(status)) return;
  throw new ImgkitError('FAILED_PRECONDITION', `instance "${id}" is ${status}`, {
    resource: id,
    hint: 'Wait until it runs or has stopped.',
  });
}

/** A cloud that can't pause servers can still take machine images of those that don't run. */
async function pauseServer(
  context: CloudContext,
  { id }: NovaServer,
  { key, labels = {} }: SetRequest,
  signal: AbortSignal,
): Promise<void> {
  try {
    await holdStill(context, id, { key, labels }, { signal });
  } catch (error) {
    if (!isRefusal(error)) throw error;
    throw new ImgkitError('FAILED_PRECONDITION', `instance "${id}" can't be paused`, {
      resource: id,
      hint: 'Stop it first, or take its disks one after the other: providerOptions: { pause: false }.',
      cause: error,
    });
  }
}
