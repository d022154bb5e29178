import type { CallOptions } from '@imgkit/core';

import type { CinderSnapshot } from '../cinder/cinder-volume.ts';
import { propertyOf, type GlanceImage } from '../glance/glance-image.ts';
import { findServer } from '../instances/server-state.ts';
import { properties } from '../mapping.ts';
import type { NovaServer } from '../nova/nova-server.ts';
import type { CloudContext } from '../resources/context.ts';
import { checkDeletable, deleteImage } from '../resources/image-deletion.ts';
import { findStored, removeStored } from '../volumes/volume-access.ts';
import { snapshotKind, volumeKind } from '../volumes/volume-kind.ts';
import { readVolumeMetadata } from '../volumes/volume-metadata.ts';
import { instanceOf } from './origin.ts';
import { letGo } from './stillness.ts';

/** On a volume that was to go with its server, and couldn't for the snapshots of a machine image: the server. */
const leftBy = 'imgkit:left-by';

/** The snapshots that are parts of a machine image, also those that its record doesn't name yet. */
export async function partsOf(
  context: CloudContext,
  id: string,
  options?: CallOptions,
): Promise<readonly CinderSnapshot[]> {
  if (!(await context.offers('block-storage', options))) return [];
  const parts: CinderSnapshot[] = [];
  for await (const snapshot of context.cinder.snapshots({}, options)) {
    if (readVolumeMetadata(snapshot.metadata).machineImage === id) parts.push(snapshot);
  }
  return parts;
}

/** Deletes a machine image: its parts first, so that whatever is left is still found by its record. */
export async function removeSet(
  context: CloudContext,
  record: GlanceImage,
  { signal }: CallOptions = {},
): Promise<void> {
  const options = { signal };
  checkDeletable(context, record);
  const instance = instanceOf(record);
  if (propertyOf(record, properties.unfinished))
    await letGo(context, instance, propertyOf(record, properties.key) ?? '', options);
  const parts = await partsOf(context, record.id, options);
  await Promise.all(parts.map(({ id }) => removeStored(context, snapshotKind, id, options)));
  for (const { volume_id: volume } of parts) await removeLeft(context, volume, options);
  await deleteImage(context, record, options);
}

/** Deletes a volume whose server is gone, and that only stayed for the snapshots. */
async function removeLeft(context: CloudContext, id: string, options: CallOptions): Promise<void> {
  const volume = await findStored(context, volumeKind, id, options);
  const server = volume?.metadata?.[leftBy];
  if (volume === undefined || server === undefined) return;
  if (volume.attachments.length > 0 || volume.status !== 'available') return;
  if ((await findServer(context, server, options)) !== undefined) return;
  for await (const _ of context.cinder.snapshots({ volume_id: id }, options)) return;
  await removeStored(context, volumeKind, id, options);
}

/**
 * Says on a server's volumes, before it is deleted, which of them Nova will leave behind: those that go with it
 * and are held by a machine image.
 */
export async function markLeft(
  context: CloudContext,
  { id: server, ...rest }: NovaServer,
  options: CallOptions,
): Promise<void> {
  for (const volume of rest['os-extended-volumes:volumes_attached'] ?? []) {
    if (volume.delete_on_termination !== true) continue;
    const query = { volume_id: volume.id };
    for await (const { metadata } of context.cinder.snapshots(query, options)) {
      if (readVolumeMetadata(metadata).machineImage === undefined) continue;
      await context.cinder.setVolumeMetadata(volume.id, { [leftBy]: server }, options);
      break;
    }
  }
}
