import type { CallOptions } from '../spec/call-options.ts';
import type { FamilySelector } from '../spec/family.ts';
import type { Image } from '../spec/image.ts';
import type { Provider } from '../spec/provider.ts';

/** Whether an image may be the head of its family: READY, published, ACTIVE. */
export function mayBeHead(image: Image): boolean {
  return image.status === 'READY' && image.published && image.deprecation.state === 'ACTIVE';
}

/**
 * Orders versions of a family, the newest first: by when they were published, else created. Equal instants are
 * told apart by creation, version, name and id, so that the order never depends on how they were listed.
 */
export function newestFirst(a: Image, b: Image): number {
  return (
    compare(instant(b.publishedAt ?? b.createdAt), instant(a.publishedAt ?? a.createdAt)) ||
    compare(instant(b.createdAt), instant(a.createdAt)) ||
    byVersion(b.version ?? '', a.version ?? '') ||
    byVersion(b.name, a.name) ||
    compare(b.ref.id, a.ref.id)
  );
}

/** Gives the head of a family as the cloud resolves it, else the newest of those that may be; nothing when there is none. */
export async function findHead(
  provider: Provider,
  { family, project }: FamilySelector,
  options?: CallOptions,
): Promise<Image | undefined> {
  const native = await provider.publishing?.head?.(family, { project }, options);
  if (native !== undefined && mayBeHead(native)) return native;

  let head: Image | undefined;
  const filter = { family, project, published: true, states: ['ACTIVE'] as const };
  for await (const image of provider.images.list(filter, options)) {
    if (mayBeHead(image) && (head === undefined || newestFirst(image, head) < 0)) head = image;
  }
  return head;
}

const numeric = new Intl.Collator('en', { numeric: true });

function byVersion(a: string, b: string): number {
  return numeric.compare(a, b) || compare(a, b);
}

function compare<T extends number | string>(a: T, b: T): number {
  return a < b ? -1 : Number(a > b);
}

function instant(text: string): number {
  return Date.parse(text);
}
