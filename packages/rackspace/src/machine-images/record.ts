import { createHash } from 'node:crypto';

import {
  ImgkitError,
  type CallOptions,
  type Labels,
  type MachineImage,
  type ResourceStatus,
} from '@imgkit/core';

import { notFound } from '../errors.ts';
import { isGlanceImage, propertyOf, type GlanceImage } from '../glance/glance-image.ts';
import { properties, recordKind, toLabels } from '../mapping.ts';
import type { CloudContext } from '../resources/context.ts';
import { findImage } from '../resources/image-access.ts';
import { listImages } from '../resources/image-listing.ts';
import { isMakerAlive } from '../resources/image-maker.ts';
import { findStored } from '../volumes/volume-access.ts';
import { snapshotKind, toStatus } from '../volumes/volume-kind.ts';
import { readConfiguration } from './configuration.ts';
import { instanceOf } from './origin.ts';

/** What machine images are looked for by. */
export interface MachineImageFilter {
  readonly name?: string | undefined;
  readonly instance?: string | undefined;
  readonly labels?: Labels | undefined;
}

/** The record of a machine image; nothing when there is none. */
export async function findRecord(
  context: CloudContext,
  id: string,
  options?: CallOptions,
): Promise<GlanceImage | undefined> {
  if (id === '') return undefined;
  const image = await findImage(context, id, options);
  return image !== undefined && recordKind(image) === 'machine-image' ? image : undefined;
}

/** @throws `NOT_FOUND`. */
export async function knownRecord(
  context: CloudContext,
  id: string,
  options?: CallOptions,
): Promise<GlanceImage> {
  const record = await findRecord(context, id, options);
  if (record === undefined) throw notFound('machine image', id);
  return record;
}

/** The records of the project's machine images, newest first. */
export async function* listRecords(
  context: CloudContext,
  operation: string,
  { name, instance, labels }: MachineImageFilter,
  options?: CallOptions,
): AsyncGenerator<GlanceImage, void, undefined> {
  const found = listImages(context, operation, { name, labels }, options, 'machine-image');
  for await (const { native } of found) {
    if (!isGlanceImage(native)) continue;
    if (instance === undefined || instanceOf(native) === instance) yield native;
  }
}

/** The digest of the key that a machine image is made with. */
export function setDigest(project: string, key: string): string {
  return createHash('sha256')
    .update(JSON.stringify([project, 'machine-image', key]))
    .digest('hex');
}

/** A machine image as the contract has it: READY when all its parts stand. */
export async function toMachineImage(
  context: CloudContext,
  record: GlanceImage,
  options?: CallOptions,
): Promise<MachineImage> {
  const configuration = readConfiguration(record);
  return {
    id: record.id,
    name: record.name ?? record.id,
    status: await statusOf(context, record, options),
    instance: instanceOf(record),
    createdAt: record.created_at,
    labels: toLabels(record),
    disks: configuration?.disks.map(({ boot, sizeBytes }) => ({ boot, sizeBytes })) ?? [],
    machineType: configuration?.flavor.name ?? '',
    native: record,
  };
}

async function statusOf(
  context: CloudContext,
  record: GlanceImage,
  options?: CallOptions,
): Promise<ResourceStatus> {
  if (record.status === 'pending_delete') return 'DELETING';
  // A half one that nobody makes any more.
  if (propertyOf(record, properties.unfinished))
    return isMakerAlive(record) === false ? 'FAILED' : 'PENDING';
  if (record.status !== 'active') return 'FAILED';
  const { disks = [] } = readConfiguration(record) ?? {};
  const stand = await Promise.all(
    disks
      .filter(({ volume }) => volume !== undefined)
      .map(async ({ snapshot = '' }) => {
        const found = await findStored(context, snapshotKind, snapshot, options);
        return found !== undefined && toStatus(found.status) === 'READY';
      }),
  );
  return stand.every(Boolean) ? 'READY' : 'FAILED';
}

/** @throws `ALREADY_EXISTS` if another machine image has the name. */
export async function checkNameFree(
  context: CloudContext,
  name: string,
  options: CallOptions,
): Promise<void> {
  for await (const other of listRecords(context, 'machineImages.create', { name }, options)) {
    throw new ImgkitError('ALREADY_EXISTS', `there is a machine image "${name}" already`, {
      resource: other.id,
      hint: 'Choose another name, or delete that machine image.',
    });
  }
}
