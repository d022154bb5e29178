import { ifThere, ImgkitError, type CallOptions, type Image } from '@imgkit/core';

import { flag, instant, number, object, text, textMap, type WireObject } from '../api/wire.ts';
import type { RegionQuery } from '../client.ts';
import type { AzureContext } from '../context.ts';
import { formatImageId, type PublicVersionId } from './image-id.ts';
import { toArchitecture, toDeprecation } from '../mapping.ts';
import { fromTags, readOwn } from '../resources/tags.ts';
import { compareNumbers, parseNumber } from '../versions/version-number.ts';

const gib = 2 ** 30;

/** A gallery that somebody shares with this subscription, or with everybody. */
export interface PublicGallery {
  readonly kind: 'shared' | 'community';
  readonly gallery: string;
}

/** A version as those see it who don't own it, and its definition. */
interface PublicVersion {
  readonly version: WireObject;
  readonly definition: WireObject | undefined;
}

type Level = 'GalleryImages' | 'GalleryImageVersions';

function queryOf(
  { settings }: AzureContext,
  kind: PublicGallery['kind'],
  level: Level,
  names: readonly string[],
  location = settings.location,
): RegionQuery {
  const { subscription } = settings;
  return { subscription, collection: `${kind}${level}`, location, names };
}

/** Reads a version of a shared or community gallery, as it is where the provider works; the latest if none is named. */
export async function readPublicVersion(
  context: AzureContext,
  id: PublicVersionId,
  options?: CallOptions,
): Promise<PublicVersion & { readonly image: Image }> {
  const { kind, gallery, definition: name, version: wanted } = id;
  if (wanted === 'latest') {
    const { location } = context.settings;
    const latest = await latestInPublicGallery(context, id, name, location, options);
    if (latest === undefined)
      throw new ImgkitError('NOT_FOUND', `"${name}" has no latest version in ${location}`, {
        resource: formatImageId(id),
        hint: 'Name a version, or see which there are by listing.',
      });
    const version = latest.ref.id.split('/').at(-1) ?? '';
    return readPublicVersion(context, { ...id, version }, options);
  }
  const [version, definition] = await Promise.all([
    context.client.lookUp(
      queryOf(context, kind, 'GalleryImageVersions', [gallery, name, wanted]),
      options,
    ),
    readDefinition(context, id, name, options),
  ]);
  return { version, definition, image: toPublicImage(context, id, name, { version, definition }) };
}

async function readDefinition(
  context: AzureContext,
  { kind, gallery }: PublicGallery,
  name: string,
  options?: CallOptions,
): Promise<WireObject | undefined> {
  const query = queryOf(context, kind, 'GalleryImages', [gallery, name]);
  return ifThere(() => context.client.lookUp(query, options));
}

/** The images of a shared or community gallery that are where the provider works. */
export async function* listPublicGallery(
  context: AzureContext,
  place: PublicGallery,
  family?: string,
  options?: CallOptions,
): AsyncGenerator<Image, void, undefined> {
  for await (const definition of definitionsIn(context, place, family, options)) {
    const name = text(definition, 'name') ?? '';
    const query = queryOf(context, place.kind, 'GalleryImageVersions', [place.gallery, name]);
    for await (const version of listed(context, query, options))
      yield toPublicImage(context, place, name, { version, definition });
  }
}

async function* definitionsIn(
  context: AzureContext,
  place: PublicGallery,
  family?: string,
  options?: CallOptions,
): AsyncGenerator<WireObject, void, undefined> {
  const { kind, gallery } = place;
  if (family === undefined)
    return yield* listed(context, queryOf(context, kind, 'GalleryImages', [gallery]), options);
  const found = await readDefinition(context, place, family, options);
  if (found !== undefined) yield found;
}

/** What is shared with the subscription, else what is shared with its tenant: Azure lists them apart. */
async function* listed(
  context: AzureContext,
  query: RegionQuery,
  options?: CallOptions,
): AsyncGenerator<WireObject, void, undefined> {
  try {
    for await (const page of context.client.lookUpPages(query, options)) yield* page;
  } catch (error) {
    if (!ImgkitError.is(error, 'NOT_FOUND')) throw error;
    if (!query.collection.startsWith('shared') || query.sharedTo !== undefined) return;
    yield* listed(context, { ...query, sharedTo: 'tenant' }, options);
  }
}

/** The highest version that isn't kept from being the latest in the region. */
export async function latestInPublicGallery(
  context: AzureContext,
  { kind, gallery }: PublicGallery,
  family: string,
  region: string,
  options?: CallOptions,
): Promise<Image | undefined> {
  const query = queryOf(context, kind, 'GalleryImageVersions', [gallery, family], region);
  let latest: WireObject | undefined;
  for await (const version of listed(context, query, options)) {
    const fits =
      !flag(version, 'excludeFromLatest') &&
      stateOf(context, { kind, gallery }, version) === 'ACTIVE';
    if (fits && (latest === undefined || compareNames(version, latest) > 0)) latest = version;
  }
  if (latest === undefined) return undefined;
  const definition = await readDefinition(context, { kind, gallery }, family, options);
  return toPublicImage(context, { kind, gallery }, family, { version: latest, definition });
}

function compareNames(a: WireObject, b: WireObject): number {
  const [one, two] = [a, b].map((version) => parseNumber(text(version, 'name') ?? ''));
  return compareNumbers(one ?? [0, 0, 0], two ?? [0, 0, 0]);
}

function stateOf(context: AzureContext, place: PublicGallery, version: WireObject): string {
  const own = readOwn(textMap(version, 'artifactTags'));
  return toDeprecation(own, context.provider, baseOf(place)).state;
}

function baseOf({ kind, gallery }: PublicGallery): string {
  return `/${kind}Galleries/${gallery}`;
}

/** Shows a version as its consumers see it: with the tags that its makers gave it, imgkit's among them. */
function toPublicImage(
  { provider }: AzureContext,
  place: PublicGallery,
  family: string,
  { version, definition }: PublicVersion,
): Image {
  const name = text(version, 'name') ?? '';
  const tags = textMap(version, 'artifactTags');
  const own = readOwn(tags);
  const { kind, gallery } = place;
  const id = formatImageId({ kind, gallery, definition: family, version: name });
  const standalone = own.standalone !== undefined;
  const published = !standalone && !flag(version, 'excludeFromLatest');
  const createdAt = instant(version, 'publishedDate');
  const disk = object(object(version, 'storageProfile'), 'osDiskImage');
  return {
    ref: { provider, id },
    name: own.name ?? `${family}-${name}`,
    project: baseOf(place),
    family: standalone ? undefined : family,
    version: own.name === undefined ? name : own.version,
    published,
    publishedAt: published ? (own.published ?? createdAt) : undefined,
    // Others see only what stands.
    status: 'READY',
    deprecation: toDeprecation(own, provider, baseOf(place)),
    createdAt: createdAt ?? new Date(0).toISOString(),
    diskSizeBytes: (number(disk, 'diskSizeGB') ?? 0) * gib,
    architecture: toArchitecture(definition),
    labels: fromTags(tags),
    description: own.description,
    native: version,
  };
}
