import { randomUUID } from 'node:crypto';

import { ifThere, ImgkitError, type MachineImage, type OperationControl } from '@imgkit/core';

import { number, object, objects, type WireObject } from '../api/wire.ts';
import { tokenOf, type AzureContext } from '../context.ts';
import { ended } from '../versions/definitions.ts';
import { ownOf, statusOf } from '../mapping.ts';
import type { OperationToken } from '../resources/operation-token.ts';
import { keyDigest } from '../resources/tags.ts';
import { collectionOf, collectionType, locateMachineImage, pointType } from './machine-image-id.ts';
import { readPoint, toMachineImage } from './restore-point.ts';

/** A restore point that is to be made. */
export interface PointPlan {
  readonly call: 'machineImages.create' | 'machineImages.copy';
  readonly name: string;
  readonly idempotencyKey: string | undefined;
  readonly location: string;
  /** The id of the machine, or of the collection that it is copied from. */
  readonly source: string;
  readonly tags: (key: string) => Record<string, string>;
  /** What Azure is sent of the restore point. */
  readonly body: WireObject;
}

/**
 * Makes a restore point once for a key, in a collection of its own: restore points have no tags at Azure, and
 * collections do. The collection says whose it is, so that a second try goes on where the first one ended.
 */
export async function makePoint(
  context: AzureContext,
  plan: PointPlan,
  control: OperationControl,
): Promise<MachineImage> {
  const { client } = context;
  const { call, name, location, source, body } = plan;
  const key = keyDigest(plan.idempotencyKey ?? randomUUID());
  const collection = context.id(collectionType, name);
  const target = context.id(pointType, name, name);
  const standing = await ifThere(() => client.get(collection, control));
  if (standing === undefined) {
    const made = { location, source: { id: source }, tags: plan.tags(key) };
    await ended(context, await client.put(collection, made, control), control);
  }
  // Somebody may have made it at the same moment: Azure keeps what was said last.
  if (ownOf(standing ?? (await client.get(collection, control))).key !== key)
    throw taken(collection);
  let operation;
  if ((await ifThere(() => client.get(target, control))) === undefined)
    try {
      operation = await client.put(target, body, control);
    } catch (error) {
      // An answer that got lost, or another process with the same key.
      const stands = await ifThere(() => client.get(target));
      if (stands === undefined) {
        await clear(context, collection);
        throw error;
      }
    }
  return finishPoint(context, tokenOf(call, operation ?? null, target, key), control);
}

/** Waits until a restore point is READY, and tells how far a copy is; what fails goes with its collection. */
export async function finishPoint(
  context: AzureContext,
  token: OperationToken,
  control: OperationControl,
): Promise<MachineImage> {
  const { target, operation, rest } = token;
  const point = await context.wait(control, token, async (options) => {
    const seen = await context.client.get(target, { ...options, expand: 'instanceView' });
    tell(seen, control);
    return statusOf(seen) === 'PENDING' ? undefined : seen;
  });
  const read = await readPoint(context, target, control);
  if (ownOf(read.collection).key !== rest) throw taken(target);
  if (statusOf(point) === 'READY') return toMachineImage(read, context);
  const reason = await reasonOf(context, operation, target);
  await clear(context, collectionOf(locateMachineImage(target).id));
  throw reason;
}

function tell(point: WireObject, { progress }: OperationControl): void {
  const disks = objects(object(point, 'instanceView'), 'diskRestorePoints');
  const shares = disks.map(
    (disk) => number(object(disk, 'replicationStatus'), 'completionPercent') ?? 0,
  );
  const whole = shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length) / 100;
  progress(`taking ${shares.length} disks`, shares.length === 0 ? undefined : whole);
}

async function reasonOf(
  { client }: AzureContext,
  operation: OperationToken['operation'],
  resource: string,
): Promise<unknown> {
  try {
    if (operation !== null) await client.poll(operation);
  } catch (error) {
    return error;
  }
  return new ImgkitError('OPERATION_FAILED', `Azure could not make ${resource}`, { resource });
}

async function clear(context: AzureContext, collection: string): Promise<void> {
  try {
    await ended(context, await context.client.delete(collection), {});
  } catch (cause) {
    context.logger.warn('a machine image that failed could not be removed', { collection, cause });
  }
}

function taken(id: string): ImgkitError {
  return new ImgkitError('ALREADY_EXISTS', `${id} exists already, and was not made by this call`, {
    resource: id,
    hint: 'Choose another name, or remove what has it.',
  });
}
