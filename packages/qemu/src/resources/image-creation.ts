import { deprecationStates, type CreateImageRequest, type Deprecation } from '@imgkit/core';

import { fromDeprecation, type ImageDocument } from '../mapping.ts';
import type { LocalStore } from '../store/local-store.ts';
import type { StoredRecord } from '../store/records.ts';
import type { LocalContext } from './context.ts';
import type { Made } from './creation.ts';
import { publicationInstant } from './publication.ts';
import { checkInstant, checkName, checkTexts, invalid } from './rules.ts';
import type { PreparedSource, TakenDisk } from './sources.ts';

type ImageRequest = Omit<CreateImageRequest, 'source'>;

/** Checks what a request for an image says beside its name, labels and source. */
export function checkImage(request: ImageRequest): void {
  if (request.family !== undefined) checkName('family', request.family);
  checkTexts(request);
  if (request.deprecation !== undefined) checkDeprecation(request.deprecation);
}

/** Checks a deprecation. */
export function checkDeprecation({ state, dates }: Deprecation): void {
  if (!deprecationStates.includes(state))
    throw invalid(
      `"${state}" isn't a state of images`,
      `Use one of ${deprecationStates.join(', ')}.`,
    );
  for (const key of ['deprecated', 'obsolete', 'deleted'] as const) checkInstant(key, dates?.[key]);
}

/** What the catalog keeps of an image while it is being made. */
export function draftImage(
  context: LocalContext,
  request: ImageRequest,
  source: Pick<PreparedSource, 'origin' | 'architecture' | 'parent'>,
): ImageDocument {
  const { labels = {}, description, family, version, architecture } = request;
  const deprecation = fromDeprecation(request.deprecation ?? { state: 'ACTIVE' }, context.provider);
  return {
    labels: { ...labels },
    description,
    family,
    version,
    published: false,
    deprecation,
    architecture: architecture ?? source.architecture,
    origin: source.origin,
    parent: source.parent,
    diskSizeBytes: 0,
    grants: [],
  };
}

/** What the catalog keeps of it once its disk is in the store. */
export function finishedImage(
  store: LocalStore,
  { project, doc: draft }: StoredRecord<ImageDocument>,
  disk: TakenDisk,
  { family, staged }: Pick<ImageRequest, 'family' | 'staged'>,
): Made<ImageDocument> {
  const { digest, virtualSize } = disk;
  const size = disk.staged[0]?.size ?? store.blobs.get(digest).size;
  const published = family !== undefined && staged !== true;
  const doc: ImageDocument = {
    ...draft,
    request: undefined,
    importRequest: undefined,
    parent: disk.parent ?? draft.parent,
    digest,
    diskSizeBytes: virtualSize,
    storedBytes: size,
    published,
    publishedAt: published ? publicationInstant(store, project, family) : undefined,
  };
  return { doc, staged: disk.staged, digests: [digest] };
}
