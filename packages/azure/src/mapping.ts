import type {
  Architecture,
  Deprecation,
  DeprecationDates,
  DeprecationState,
  Image,
  ImageRef,
  ImageStatus,
} from '@imgkit/core';
import { deprecationStates } from '@imgkit/core';

import {
  flag,
  instant,
  isWireObject,
  number,
  object,
  text,
  textMap,
  type WireObject,
} from './api/wire.ts';
import { toOrigin } from './mapping/origin.ts';
import { formatId, parseIdOf, plainId, type ResourceId } from './resources/resource-id.ts';
import { sameName } from './resources/names.ts';
import { fromTags, readOwn, type OwnTags } from './resources/tags.ts';

const gib = 2 ** 30;

/** The size of the disk of a version, in bytes: as its maker counted it, or in Azure's GiB. */
function diskSizeOf(version: WireObject, { size }: OwnTags): number {
  const disk = object(object(version, 'storageProfile'), 'osDiskImage');
  return Number(size) || (number(disk, 'sizeInGB') ?? 0) * gib;
}

/** An image version of Azure as its SDK gives it: what `image.native` is. */
export interface AzureImageVersion {
  readonly id: string;
  readonly name: string;
  readonly location: string;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly provisioningState?: string | undefined;
  readonly publishingProfile?: Readonly<Record<string, unknown>> | undefined;
  readonly storageProfile?: Readonly<Record<string, unknown>> | undefined;
  readonly safetyProfile?: Readonly<Record<string, unknown>> | undefined;
  /** How far it is in each region; there in what `images.get` and `images.create` give. */
  readonly replicationStatus?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Whether the `native` of an image is an image version of Azure.
 *
 * @example
 * ```ts
 * import { isAzureImageVersion } from '@imgkit/azure';
 * import type { Image } from '@imgkit/core';
 *
 * function regions({ native }: Image): unknown {
 *   return isAzureImageVersion(native) ? native.publishingProfile?.['targetRegions'] : undefined;
 * }
 * ```
 */
export function isAzureImageVersion(value: unknown): value is AzureImageVersion {
  return (
    isWireObject(value) &&
    parseIdOf('Microsoft.Compute/galleries/images/versions', text(value, 'id')) !== undefined
  );
}

const statuses: Readonly<Record<string, ImageStatus>> = {
  Creating: 'PENDING',
  Succeeded: 'READY',
  // Its data stands: a change of where it is, or of what is said of it, is going on.
  Updating: 'READY',
  Migrating: 'READY',
  Deleting: 'DELETING',
};

/** Whether the data of a version stands. */
export function statusOf(version: WireObject): ImageStatus {
  return statuses[text(version, 'provisioningState') ?? ''] ?? 'FAILED';
}

/** Whether something is going on on a resource. */
export function isBusy(resource: WireObject): boolean {
  return /^(?:Creating|Updating|Deleting|Migrating)$/.test(
    text(resource, 'provisioningState') ?? '',
  );
}

const architectures: Readonly<Record<string, Architecture>> = { x64: 'x86_64', Arm64: 'arm64' };

export function toArchitecture(resource: WireObject | undefined): Architecture | undefined {
  return architectures[text(resource, 'architecture') ?? ''];
}

/** The adapter's own tags of a resource. */
export function ownOf(resource: WireObject | undefined): OwnTags {
  return readOwn(textMap(resource, 'tags'));
}

/** Where a version is: its id, with the provider's own spelling of its gallery. */
export function idOf(version: WireObject, own: ResourceId): ResourceId | undefined {
  const found = parseIdOf('Microsoft.Compute/galleries/images/versions', text(version, 'id'));
  if (found === undefined) return undefined;
  const [gallery = '', ...rest] = found.names;
  const ours =
    sameName(found.subscription, own.subscription) &&
    sameName(found.resourceGroup, own.resourceGroup) &&
    sameName(gallery, own.names[0] ?? '');
  const { subscription, resourceGroup } = own;
  return ours
    ? { ...found, subscription, resourceGroup, names: [own.names[0] ?? '', ...rest] }
    : found;
}

/** What an image is shown with beside its version. */
export interface ImageSurroundings {
  readonly provider: string;
  /** The provider's own gallery. */
  readonly gallery: ResourceId;
  /** The version's definition; nothing when it may not be read. */
  readonly definition: WireObject | undefined;
}

/** Shows a version of Azure as an image. */
export function toImage(
  version: WireObject,
  { provider, gallery, definition }: ImageSurroundings,
): Image {
  const id = idOf(version, gallery);
  const [, family = '', name = ''] = id?.names ?? [];
  const own = ownOf(version);
  const profile = object(version, 'publishingProfile');
  const standalone = own.standalone !== undefined;
  const made = own.name !== undefined;
  // What others made has no tags: there, what isn't kept from being the latest is published.
  const published =
    !standalone && (made ? own.published !== undefined : !flag(profile, 'excludeFromLatest'));
  const tags = fromTags(textMap(version, 'tags'));
  const createdAt =
    instant(profile, 'publishedDate') ?? instant(object(version, 'systemData'), 'createdAt');
  return {
    ref: { provider, id: id === undefined ? (text(version, 'id') ?? '') : formatId(id) },
    name: own.name ?? `${family}-${name}`,
    project: id?.subscription ?? '',
    family: standalone ? undefined : family,
    version: made ? own.version : name,
    published,
    publishedAt: published ? (own.published ?? createdAt) : undefined,
    status: statusOf(version),
    deprecation: toDeprecation(own, provider, formatId(gallery)),
    createdAt: createdAt ?? new Date(0).toISOString(),
    diskSizeBytes: diskSizeOf(version, own),
    architecture: toArchitecture(definition),
    labels: tags,
    description: own.description,
    origin:
      own.origin === undefined
        ? toOrigin(object(version, 'storageProfile'), gallery)
        : { kind: 'image', id: own.origin },
    native: version,
  };
}

const states: ReadonlySet<string> = new Set(deprecationStates);

function isState(word: string): word is DeprecationState {
  return states.has(word);
}

/** The deprecation of a version. */
export function toDeprecationOf(
  version: WireObject | undefined,
  provider: string,
  gallery: ResourceId,
): Deprecation {
  return toDeprecation(ownOf(version), provider, formatId(gallery));
}

/**
 * The deprecation that tags say.
 *
 * @param gallery - The id of the gallery that they are in: replacements of its own are named in short.
 */
export function toDeprecation(own: OwnTags, provider: string, gallery: string): Deprecation {
  const { state = 'ACTIVE', deprecated, obsolete, deleted } = own;
  const dates: DeprecationDates = {
    ...(deprecated === undefined ? {} : { deprecated }),
    ...(obsolete === undefined ? {} : { obsolete }),
    ...(deleted === undefined ? {} : { deleted }),
  };
  const known: DeprecationState = isState(state) ? state : 'ACTIVE';
  return {
    state: known,
    ...(own.replacement === undefined
      ? {}
      : { replacement: readReplacement(own.replacement, provider, gallery) }),
    ...(Object.keys(dates).length === 0 ? {} : { dates }),
  };
}

/** The tags that a deprecation is kept in. */
export function deprecationTags(
  { state, replacement, dates }: Deprecation,
  provider: string,
  gallery: ResourceId,
): OwnTags {
  return {
    state: state === 'ACTIVE' ? undefined : state,
    replacement:
      replacement === undefined ? undefined : writeReplacement(replacement, provider, gallery),
    deprecated: dates?.deprecated,
    obsolete: dates?.obsolete,
    deleted: dates?.deleted,
  };
}

/** A tag is short, and ids are long: one of the own gallery is kept as `web/versions/1.0.0`. */
function writeReplacement(ref: ImageRef, provider: string, gallery: ResourceId): string {
  if (ref.provider !== provider) return `${ref.provider}:${ref.id}`;
  const prefix = `${formatId(gallery)}/images/`;
  const id = plainId(ref.id);
  return id.toLowerCase().startsWith(prefix.toLowerCase()) ? id.slice(prefix.length) : `:${id}`;
}

function readReplacement(kept: string, provider: string, gallery: string): ImageRef {
  const colon = kept.indexOf(':');
  if (colon === -1) return { provider, id: `${gallery}/images/${kept}` };
  return { provider: kept.slice(0, colon) || provider, id: kept.slice(colon + 1) };
}
