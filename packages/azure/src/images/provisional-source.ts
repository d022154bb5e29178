import { ImgkitError, type CreateImageRequest, type OperationControl } from '@imgkit/core';

import type { WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { makeIntermediateDisk, removeIntermediateDisk } from './intermediate-disk.ts';
import { blobProfile, type PreparedSource } from './sources.ts';
import { temporaryLabels } from '../resources/temporary-labels.ts';

/** How long what a killed process leaves is kept for the next one with its key, in seconds. */
const keptSeconds = 7 * 24 * 60 * 60;

/** The storage profile of a new version. What it is made of is uploaded first, or made, where it must be. */
export async function provideSource(
  context: AzureContext,
  { storageProfile, ready, file, disk }: PreparedSource,
  request: CreateImageRequest,
  key: string,
  control: OperationControl,
): Promise<WireObject> {
  await ready?.(control, key);
  const { uploads } = context;
  const { name } = request;
  const run = `image-${key.slice(0, 20)}`;
  const temporary = { run, seconds: keptSeconds, labels: request.labels };
  if (file !== undefined && uploads !== undefined) {
    const labels = uploads.keeps ? request.labels : await temporaryLabels(context, temporary);
    const address = await uploads.upload(file, key, { name, labels }, control);
    return blobProfile(address, uploads.accountId);
  }
  if (disk === undefined) return storageProfile;
  control.progress(`making a disk of ${disk.image.ref.id}`, 0);
  const labels = await temporaryLabels(context, temporary);
  const id = await makeIntermediateDisk(context, disk, { key, labels }, control);
  return { osDiskImage: { source: { id } } };
}

/** Removes what was uploaded or made for an image that won't be; an upload that may go on stays. */
export async function discardSource(
  context: AzureContext,
  { file, disk }: PreparedSource,
  request: CreateImageRequest,
  key: string,
  error: unknown,
): Promise<void> {
  const { name } = request;
  try {
    if (disk !== undefined) await removeIntermediateDisk(context, key);
    if (file !== undefined && !mayGoOn(error, request)) await context.uploads?.discard(name, key);
  } catch (left) {
    context.logger.warn('what was made or uploaded for it is left', { name, reason: String(left) });
  }
}

/** Whether an upload may go on after an error: nobody has said no, and it can be found again. */
function mayGoOn(error: unknown, { idempotencyKey }: CreateImageRequest): boolean {
  const passing = (['UNAVAILABLE', 'RATE_LIMITED', 'TIMEOUT'] as const).some((code) =>
    ImgkitError.is(error, code),
  );
  return passing && idempotencyKey !== undefined;
}
