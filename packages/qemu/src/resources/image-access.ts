import { existsSync } from 'node:fs';

import { formatRef, ImgkitError, type Image, type ImageRef } from '@imgkit/core';

import { toDeprecation, type ImageDocument } from '../mapping.ts';
import type { LocalStore } from '../store/local-store.ts';
import type { StoredRecord } from '../store/records.ts';
import { notReady } from './access.ts';
import { formatId, notFound, parseId, type LocalContext } from './context.ts';
import { recordsOf } from './creation.ts';
import { imageKind } from './kinds.ts';

type ImageRecord = StoredRecord<ImageDocument>;

/** Whether the provider's project may see and use an image: its own, or one it has a grant for. */
export function isVisible(context: LocalContext, { project, doc }: ImageRecord): boolean {
  return (
    project === context.project ||
    doc.grants.includes('everyone') ||
    doc.grants.includes(`project:${context.project}`)
  );
}

/**
 * An image that the provider's project may see, in whatever state.
 *
 * @throws `NOT_FOUND` also for an image that exists and isn't shared.
 */
export function visibleImage(context: LocalContext, store: LocalStore, id: string): ImageRecord {
  const parsed = parseId(id, 'images');
  const record = parsed && recordsOf(store, imageKind).find(parsed.project, parsed.name);
  if (record === undefined || !isVisible(context, record)) throw notFound('image', id);
  return record;
}

/**
 * An image of the provider's own project, to be changed.
 *
 * @throws `NOT_FOUND`, or `PERMISSION_DENIED` for another project's.
 */
export function ownImage(context: LocalContext, store: LocalStore, id: string): ImageRecord {
  const record = visibleImage(context, store, id);
  if (record.project === context.project) return record;
  throw new ImgkitError('PERMISSION_DENIED', `image "${id}" belongs to project ${record.project}`, {
    resource: id,
    hint: `Change it with a provider of project ${record.project}.`,
  });
}

/** Changes an image of the provider's own project, alone among all processes. */
export function changeImage(
  context: LocalContext,
  store: LocalStore,
  id: string,
  change: (record: ImageRecord) => ImageDocument,
): Image {
  return store.catalog.transaction(() => {
    const record = ownImage(context, store, id);
    const changed = recordsOf(store, imageKind).update(record.seq, { doc: change(record) });
    return imageKind.show(context, changed);
  });
}

/** An image that something is made of. */
export interface UsableImage {
  readonly id: string;
  /** The digest of its blob. */
  readonly digest: string;
  /** The size of its disk, in bytes. */
  readonly diskSizeBytes: number;
  readonly architecture: ImageDocument['architecture'];
}

/**
 * An image to make something of: a disk, a machine, another image.
 *
 * @throws `INVALID_ARGUMENT` for an image of another provider, `NOT_FOUND`, `IMAGE_OBSOLETE` or
 * `IMAGE_DELETED` with the replacement, `FAILED_PRECONDITION` when it isn't READY or its disk is gone.
 */
export function usableImage(context: LocalContext, store: LocalStore, ref: ImageRef): UsableImage {
  if (ref.provider !== context.provider)
    throw new ImgkitError(
      'INVALID_ARGUMENT',
      `${formatRef(ref)} isn't an image of ${context.provider}`,
      {
        resource: ref.id,
        hint: `Use an image whose reference begins with "${context.provider}:".`,
      },
    );
  const record = visibleImage(context, store, ref.id);
  const { state, replacement } = toDeprecation(record.doc.deprecation, context.provider);
  if (state === 'OBSOLETE' || state === 'DELETED') {
    const instead = replacement && formatRef(replacement);
    throw new ImgkitError(`IMAGE_${state}`, `image "${record.name}" is ${state}`, {
      resource: ref.id,
      replacement: instead,
      hint: instead === undefined ? 'Use another image.' : `Use ${instead} instead.`,
    });
  }
  const { digest, diskSizeBytes, architecture } = record.doc;
  if (record.state !== 'READY' || digest === undefined) throw notReady('image', ref.id);
  const id = formatId(record.project, 'images', record.name);
  if (!existsSync(store.blobs.path(digest)))
    throw new ImgkitError('FAILED_PRECONDITION', `the disk of image "${record.name}" is missing`, {
      resource: store.blobs.path(digest),
      hint: 'Put the file back, or make the image anew. qemuStore(provider).verify() lists all that is damaged.',
    });
  return { id, digest, diskSizeBytes, architecture };
}
