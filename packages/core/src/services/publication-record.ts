import type { Provider } from '../spec/provider.ts';
import type { Deprecation } from '../spec/image.ts';
import type { ImageRef } from '../spec/ref.ts';
import type { Collection } from './state-store.ts';

/** What becomes of one image when another is published. */
export interface Predecessor {
  readonly image: ImageRef;
  /** Exactly how it was. */
  readonly before: Deprecation;
  /** How it is once deprecated. */
  readonly after: Deprecation;
}

/** One publication: written before anything is changed, so that it can be finished or undone by anybody. */
export interface Publication {
  readonly id: string;
  readonly image: ImageRef;
  readonly version?: string | undefined;
  /** The version that the image had before. */
  readonly versionBefore?: string | undefined;
  /** Whether the image was published before: then undoing leaves it published. */
  readonly wasPublished: boolean;
  readonly predecessors: readonly Predecessor[];
  /** When it was begun, as an ISO 8601 instant. */
  readonly at: string;
  readonly state: 'PUBLISHING' | 'PUBLISHED' | 'ROLLING_BACK' | 'ROLLED_BACK';
}

/** The publications of one family, the oldest first. */
export interface PublicationHistory {
  readonly publications: readonly Publication[];
}

/** The histories, by {@link familyKey}. */
export const histories: Collection<PublicationHistory> = { name: 'publications' };

/** How many publications of a family are remembered. */
const remembered = 100;

/** The key of a family's records: also right when a provider's name is given to another project later. */
export function familyKey(provider: Provider, family: string): string {
  return JSON.stringify([provider.name, provider.project, family]);
}

/** The history with a publication added, or changed if it is in it already. */
export function withPublication(
  history: PublicationHistory | undefined,
  publication: Publication,
): PublicationHistory {
  const others = (history?.publications ?? []).filter(({ id }) => id !== publication.id);
  const at = history?.publications.findIndex(({ id }) => id === publication.id) ?? -1;
  return {
    publications: others
      .toSpliced(at === -1 ? others.length : at, 0, publication)
      .slice(-remembered),
  };
}

/** The last publication that stands, or was cut off. */
export function lastStanding(history: PublicationHistory | undefined): Publication | undefined {
  return history?.publications.findLast(({ state }) => state !== 'ROLLED_BACK');
}
