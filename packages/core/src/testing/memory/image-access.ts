import { ImgkitError } from '../../spec/errors.ts';
import type { Image } from '../../spec/image.ts';
import { formatRef, type ImageRef } from '../../spec/ref.ts';
import { digestOf } from './content.ts';
import type { MemoryContext } from './context.ts';
import { notFound } from './creation.ts';
import type { ImageRow } from './records.ts';
import { isShared } from './grants.ts';

/** An image as a provider gives it. */
export function showImage(row: ImageRow, viewer: MemoryContext): Image {
  const { replacement, ...deprecation } = row.deprecation;
  return {
    ref: viewer.ref(row.id),
    name: row.name,
    project: row.project,
    family: row.family,
    version: row.version,
    published: row.published,
    publishedAt: row.publishedAt,
    status: row.status,
    deprecation:
      replacement === undefined
        ? deprecation
        : { ...deprecation, replacement: seenReplacement(replacement, viewer) },
    createdAt: row.createdAt,
    diskSizeBytes: row.content.sizeBytes,
    storedBytes: row.content.data.length,
    architecture: row.architecture,
    digest: viewer.cloud.traits.images.digests ? digestOf(row.content) : undefined,
    labels: { ...row.labels },
    description: row.description,
    origin: row.origin,
  };
}

/** A replacement in this cloud is kept without a provider: each provider sees it as its own. */
export function keptReplacement(ref: ImageRef, context: MemoryContext): ImageRef {
  return ref.provider === context.name ? { provider: '', id: ref.id } : ref;
}

function seenReplacement(kept: ImageRef, viewer: MemoryContext): ImageRef {
  return kept.provider === '' ? viewer.ref(kept.id) : kept;
}

/** Whether the provider's project may see an image. */
export function isVisible(context: MemoryContext, row: ImageRow): boolean {
  return row.project === context.project || isShared(context, row);
}

/** Finds an image that the provider's project may see. */
export function visibleImage(context: MemoryContext, id: string): ImageRow {
  const row = context.cloud.images.get(id);
  if (row === undefined || !isVisible(context, row)) throw notFound('image', id);
  return row;
}

/** Finds an image of the provider's project, to change it. */
export function ownImage(context: MemoryContext, id: string): ImageRow {
  const row = visibleImage(context, id);
  if (row.project === context.project) return row;
  throw new ImgkitError('PERMISSION_DENIED', `image "${id}" is project ${row.project}'s`, {
    resource: id,
    hint: `Change it with a provider of project ${row.project}.`,
  });
}

/**
 * Finds an image to make something of.
 *
 * @throws {@link ImgkitError} with `NOT_FOUND`, `FAILED_PRECONDITION`, `IMAGE_OBSOLETE` or `IMAGE_DELETED`.
 */
export function usableImage(context: MemoryContext, ref: ImageRef): ImageRow {
  if (ref.provider !== context.name) {
    throw new ImgkitError(
      'INVALID_ARGUMENT',
      `${formatRef(ref)} isn't an image of ${context.name}`,
      {
        resource: ref.id,
        hint: `Use an image whose reference begins with "${context.name}:".`,
      },
    );
  }
  const row = visibleImage(context, ref.id);
  const { state, replacement } = row.deprecation;
  const refused = state === 'OBSOLETE' || state === 'DELETED';
  if (refused && context.cloud.traits.deprecation.enforcesObsolete) {
    const instead =
      replacement === undefined ? undefined : formatRef(seenReplacement(replacement, context));
    throw new ImgkitError(`IMAGE_${state}`, `image "${row.name}" is ${state}`, {
      resource: row.id,
      replacement: instead,
      hint: instead === undefined ? 'Use another image.' : `Use ${instead} instead.`,
    });
  }
  if (row.status === 'READY') return row;
  throw new ImgkitError('FAILED_PRECONDITION', `image "${row.name}" is ${row.status}, not READY`, {
    resource: row.id,
    hint: 'Wait until it is READY.',
  });
}
