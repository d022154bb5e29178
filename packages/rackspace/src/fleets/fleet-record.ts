import { randomUUID } from 'node:crypto';

import { ImgkitError, type CallOptions, type Labels } from '@imgkit/core';

import { notFound, statusOf } from '../errors.ts';
import { isGlanceImage, type GlanceImage } from '../glance/glance-image.ts';
import { labelProperty, properties, recordKind } from '../mapping.ts';
import type { CloudContext } from '../resources/context.ts';
import { changeImage, findImage } from '../resources/image-access.ts';
import { imageId } from '../resources/image-creation.ts';
import { removeImage } from '../resources/image-deletion.ts';
import { listImages } from '../resources/image-listing.ts';
import { readText, textProperties } from '../resources/property-text.ts';
import { fleetDocument, type FleetDocument } from './fleet-document.ts';

// A fleet is written down as an image without data, which is hidden: it can be of size zero, has an id that
// depends on its key, and labels. docs/decisions/2026-11-28-fleet-records.md says why.

const property = 'imgkit:fleet';
/** Deleted images keep their ids, so that a key needs another one each time. */
const maxGenerations = 32;

/** A fleet as it is written down. */
export interface FleetRecord {
  readonly image: GlanceImage;
  readonly doc: FleetDocument;
}

/** The fleet, or nothing when there is none. */
export async function findFleet(
  context: CloudContext,
  id: string,
  options?: CallOptions,
): Promise<FleetRecord | undefined> {
  if (id === '') return undefined;
  const image = await findImage(context, id, options);
  return image !== undefined && recordKind(image) === 'fleet' ? toRecord(image) : undefined;
}

/** @throws `NOT_FOUND`. */
export async function knownFleet(
  context: CloudContext,
  id: string,
  options?: CallOptions,
): Promise<FleetRecord> {
  const record = await findFleet(context, id, options);
  if (record === undefined) throw notFound('fleet', id);
  return record;
}

/** The fleets of the project, newest first. */
export async function* listFleets(
  context: CloudContext,
  operation: string,
  filter: { readonly name?: string | undefined; readonly labels?: Labels | undefined },
  options?: CallOptions,
): AsyncGenerator<FleetRecord, void, undefined> {
  for await (const { native } of listImages(context, operation, filter, options, 'fleet')) {
    if (isGlanceImage(native)) yield toRecord(native);
  }
}

/** A fleet that is to be written down. */
export interface NewFleet {
  readonly name: string;
  readonly labels?: Labels | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly doc: FleetDocument;
}

/**
 * Writes a fleet down, once for a key.
 *
 * @throws `ALREADY_EXISTS` if another one has the name.
 */
export async function claimFleet(
  context: CloudContext,
  { name, labels = {}, idempotencyKey, doc }: NewFleet,
  { signal }: CallOptions,
): Promise<{ readonly id: string; readonly isNew: boolean }> {
  const key = `fleet ${idempotencyKey ?? randomUUID()}`;
  const body = {
    name,
    visibility: 'private',
    [properties.kind]: 'fleet',
    ...((await context.glance.canHide({ signal })) && { os_hidden: true }),
    ...Object.fromEntries(
      Object.entries(labels).map(([label, value]) => [labelProperty(label), value]),
    ),
    ...textProperties(undefined, property, JSON.stringify(doc)),
  };
  for (let generation = 0; generation < maxGenerations; generation += 1) {
    const id = imageId(context.project, key, generation);
    if ((await findFleet(context, id, { signal })) !== undefined) return { id, isNew: false };
    await checkFree(context, name, id, { signal });
    const isNew = await create(context, { ...body, id }, signal);
    if (isNew === undefined) continue;
    try {
      if (isNew) await checkFree(context, name, id, { signal });
    } catch (error) {
      await removeImage(context, id);
      throw error;
    }
    return { id, isNew };
  }
  throw new ImgkitError(
    'FAILED_PRECONDITION',
    `the fleets of key "${key}" were deleted too often`,
    {
      hint: 'Use another idempotency key.',
    },
  );
}

/** Changes what is written down of a fleet; nothing is written when the change gives nothing. */
export async function changeFleet(
  context: CloudContext,
  id: string,
  change: (doc: FleetDocument) => FleetDocument | undefined,
  options?: CallOptions,
): Promise<void> {
  await changeImage(
    context,
    id,
    (image) => {
      const changed = change(toRecord(image).doc);
      return changed === undefined ? {} : textProperties(image, property, JSON.stringify(changed));
    },
    options,
  );
}

/** Makes the image; whether it is new, or nothing when one of this id was deleted once. */
async function create(
  context: CloudContext,
  body: Readonly<Record<string, unknown>> & { readonly id: string },
  signal: AbortSignal | undefined,
): Promise<boolean | undefined> {
  try {
    await context.glance.create(body, { signal });
    return true;
  } catch (error) {
    const mayStand = ImgkitError.is(error, 'UNAVAILABLE') || ImgkitError.is(error, 'TIMEOUT');
    if (statusOf(error) !== 409 && !mayStand) throw error;
    const stands = (await findFleet(context, body.id)) !== undefined;
    if (stands) return mayStand;
    if (mayStand) throw error;
    return undefined;
  }
}

/** Of two of a name that are made at the same time, the one with the smaller id stays. */
async function checkFree(
  context: CloudContext,
  name: string,
  id: string,
  options: CallOptions,
): Promise<void> {
  const isMine = (await findFleet(context, id, options)) !== undefined;
  for await (const { image } of listFleets(context, 'fleets.create', { name }, options)) {
    if (image.id === id || (isMine && image.id > id)) continue;
    throw new ImgkitError('ALREADY_EXISTS', `there is a fleet "${name}" already`, {
      resource: image.id,
      hint: 'Choose another name, or delete that fleet.',
    });
  }
}

function toRecord(image: GlanceImage): FleetRecord {
  const parsed = fleetDocument.safeParse(parse(readText(image, property) ?? ''));
  if (parsed.success) return { image, doc: parsed.data };
  throw new ImgkitError('PROTOCOL', `fleet "${image.id}" can't be understood`, {
    resource: image.id,
    hint: 'It was changed by hand, or made by a later version of imgkit.',
    cause: parsed.error,
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
