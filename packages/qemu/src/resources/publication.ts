import { instant, type ImageDocument } from '../mapping.ts';
import type { LocalStore } from '../store/local-store.ts';
import type { StoredRecord } from '../store/records.ts';
import { recordsOf } from './creation.ts';
import { imageKind } from './kinds.ts';

/** The published images of a family that may be its head, the one published last first. */
export function headsOf(
  store: LocalStore,
  project: string,
  family: string,
): StoredRecord<ImageDocument>[] {
  return recordsOf(store, imageKind)
    .all(project)
    .filter((record) => record.doc.family === family && record.doc.published && canBeHead(record))
    .toSorted((a, b) => publishedAt(b) - publishedAt(a));
}

/** Whether an image may be published, and a published one be the head. */
export function canBeHead({ state, doc }: StoredRecord<ImageDocument>): boolean {
  return state === 'READY' && doc.deprecation.state === 'ACTIVE';
}

/**
 * The instant of a publication now: later than any other of the family, also when two fall into the
 * same millisecond or the clock was set back, so that what was published last is the head.
 */
export function publicationInstant(store: LocalStore, project: string, family: string): string {
  const earlier = recordsOf(store, imageKind)
    .all(project)
    .filter(({ doc }) => doc.family === family)
    .map(publishedAt);
  return instant(Math.max(Date.now(), ...earlier.map((time) => time + 1)));
}

function publishedAt({ doc }: StoredRecord<ImageDocument>): number {
  return doc.publishedAt === undefined ? 0 : Date.parse(doc.publishedAt);
}
