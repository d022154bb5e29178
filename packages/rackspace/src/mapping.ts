import {
  deprecationStates,
  formatRef,
  parseRef,
  type Architecture,
  type Deprecation,
  type DeprecationState,
  type Grant,
  type Image,
  type ImageOrigin,
  type ImageRef,
  type ImageSource,
  type ImageStatus,
  type Labels,
} from '@imgkit/core';

import type { GlanceImage, GlanceMember } from './glance/glance-image.ts';
import { propertyOf } from './glance/glance-image.ts';

// What Glance has no field for is kept in custom properties, all of which begin with the same prefix:
// whatever doesn't is somebody else's, and is never touched.

const labelPrefix = 'imgkit:label:';

/** The custom properties that are ours. */
export const properties = {
  family: 'imgkit:family',
  version: 'imgkit:version',
  published: 'imgkit:published',
  publishedAt: 'imgkit:published-at',
  state: 'imgkit:state',
  replacement: 'imgkit:replacement',
  deprecated: 'imgkit:deprecated',
  obsolete: 'imgkit:obsolete',
  deleted: 'imgkit:deleted',
  origin: 'imgkit:origin',
  /** The image that this one's content goes back to. */
  parent: 'imgkit:parent',
  /** There while the image is being made: to be `published` or `staged` once its data stands. */
  unfinished: 'imgkit:unfinished',
  /** While it is being made: the process that does it. */
  maker: 'imgkit:maker',
  /** While it is being made of a disk: the volume that was made for that, and goes with it. */
  copy: 'imgkit:copy',
  /** The digest of the idempotency key, where the cloud chooses the id. */
  key: 'imgkit:key',
  /** The SHA-256 of the data, which the cloud doesn't tell, and the digest that it tells of the same data. */
  digest: 'imgkit:digest',
  /** The size of the disk, in bytes, where the cloud doesn't tell it. */
  diskSize: 'imgkit:disk-size',
  /** What a record is of that is kept where images are, and is none: `machine-image`, `fleet`. */
  kind: 'imgkit:kind',
  /** Known to the dashboards too. */
  description: 'description',
  architecture: 'architecture',
} as const;

/** The property that holds a label. */
export function labelProperty(key: string): string {
  return `${labelPrefix}${key}`;
}

/** Whether a property is one of ours. */
export function isOurs(property: string): boolean {
  return property.startsWith('imgkit:');
}

/** What the classic Rackspace cloud marks the images with that its schedules make, and may delete. */
export const scheduleMark = 'org.openstack__1__created-by';

/** Whether a schedule of the cloud made an image. */
export function isScheduled(image: GlanceImage): boolean {
  return propertyOf(image, scheduleMark) === 'scheduled-images-service';
}

/**
 * Whether what an image has of ours came with the image of the server that somebody else made it of: a server's
 * image takes over all properties. One that we made says which server it is of.
 */
export function hasInherited(image: GlanceImage): boolean {
  if (isScheduled(image)) return true;
  const server = propertyOf(image, 'instance_uuid');
  return Boolean(server) && propertyOf(image, properties.origin) !== `instance:${server}`;
}

/** The image without what is ours and isn't said of it. */
function withoutInherited(image: GlanceImage): GlanceImage {
  if (!hasInherited(image)) return image;
  const { id, status, created_at, ...others } = image;
  const own = Object.entries(others).filter(([name]) => !isOurs(name));
  return { id, status, created_at, ...Object.fromEntries(own) };
}

/** What is kept where images are, and is none. */
export type RecordKind = 'machine-image' | 'fleet';

/** What a record is of; nothing for an image. */
export function recordKind(image: GlanceImage): RecordKind | undefined {
  const kind = hasInherited(image) ? undefined : propertyOf(image, properties.kind);
  return kind === 'machine-image' || kind === 'fleet' ? kind : undefined;
}

/** Where an image is shown. */
export interface Shown {
  /** The name of the provider. */
  readonly provider: string;
}

/** An image as the contract has it. */
export function toImage(native: GlanceImage, { provider }: Shown): Image {
  const image = withoutInherited(native);
  const get = (property: keyof typeof properties) => propertyOf(image, properties[property]);
  return {
    ref: { provider, id: image.id },
    name: image.name ?? image.id,
    project: image.owner ?? '',
    family: get('family'),
    version: get('version'),
    published: get('published') === 'true',
    publishedAt: get('publishedAt'),
    status: toStatus(image),
    deprecation: toDeprecation(image, provider),
    createdAt: image.created_at,
    diskSizeBytes: diskSize(image),
    storedBytes: image.size ?? undefined,
    architecture: toArchitecture(get('architecture')),
    labels: toLabels(image),
    description: get('description'),
    origin: toOrigin(get('origin')),
    native,
  };
}

/** Our labels among the properties. */
export function toLabels(image: Readonly<Record<string, unknown>>): Labels {
  const labels: Record<string, string> = {};
  for (const [property, value] of Object.entries(image)) {
    if (property.startsWith(labelPrefix) && typeof value === 'string')
      labels[property.slice(labelPrefix.length)] = value;
  }
  return labels;
}

/** https://docs.openstack.org/glance/latest/user/statuses.html */
function toStatus(image: GlanceImage): ImageStatus {
  switch (image.status) {
    case 'active':
    case 'deactivated':
      return propertyOf(image, properties.unfinished) ? 'PENDING' : 'READY';
    case 'queued':
      return importHasFailed(image) ? 'FAILED' : 'PENDING';
    case 'saving':
    case 'uploading':
    case 'importing':
      return 'PENDING';
    case 'deleted':
    case 'pending_delete':
      return 'DELETING';
    default:
      return 'FAILED';
  }
}

/** A failed import puts its image back into the queue, and leaves the stores it failed for here. */
export function importHasFailed(image: GlanceImage): boolean {
  return Boolean(propertyOf(image, 'os_glance_failed_import'));
}

/** What somebody else hid or put out of use counts too. */
function toDeprecation(image: GlanceImage, provider: string): Deprecation {
  const get = (property: keyof typeof properties) =>
    propertyOf(image, properties[property]) || undefined;
  const said = deprecationStates.find((state) => state === get('state')) ?? 'ACTIVE';
  const replacement = get('replacement');
  const dates = {
    ...(get('deprecated') && { deprecated: get('deprecated') }),
    ...(get('obsolete') && { obsolete: get('obsolete') }),
    ...(get('deleted') && { deleted: get('deleted') }),
  };
  return {
    state: furthest(said, seenState(image)),
    ...(replacement && { replacement: toRef(replacement, provider) }),
    ...(Object.keys(dates).length > 0 && { dates }),
  };
}

function seenState(image: GlanceImage): DeprecationState {
  if (image.status === 'deactivated') return 'OBSOLETE';
  return image.os_hidden === true ? 'DEPRECATED' : 'ACTIVE';
}

function furthest(a: DeprecationState, b: DeprecationState): DeprecationState {
  return deprecationStates.indexOf(a) < deprecationStates.indexOf(b) ? b : a;
}

/** A deprecation as properties; `undefined` for those that must not be there. */
export function fromDeprecation(
  { state, replacement, dates }: Deprecation,
  provider: string,
): Readonly<Record<string, string | undefined>> {
  return {
    [properties.state]: state === 'ACTIVE' ? undefined : state,
    [properties.replacement]: replacement && fromRef(replacement, provider),
    [properties.deprecated]: dates?.deprecated,
    [properties.obsolete]: dates?.obsolete,
    [properties.deleted]: dates?.deleted,
  };
}

/** A reference to another image of the same cloud is its id alone: what its provider is called may differ. */
function fromRef(ref: ImageRef, provider: string): string {
  return ref.provider === provider ? ref.id : formatRef(ref);
}

function toRef(text: string, provider: string): ImageRef {
  return text.includes(':') ? parseRef(text) : { provider, id: text };
}

/** The size of the disk that an image gives, in bytes. */
function diskSize(image: GlanceImage): number {
  const { virtual_size: virtual, size, min_disk: gibibytes, disk_format: format } = image;
  if (virtual) return virtual;
  const noted = Number(propertyOf(image, properties.diskSize) || Number.NaN);
  if (Number.isSafeInteger(noted)) return noted;
  if (format === 'raw' && size) return size;
  return Math.max(size ?? 0, (gibibytes ?? 0) * 2 ** 30);
}

const architectures: Readonly<Record<string, Architecture>> = {
  x86_64: 'x86_64',
  aarch64: 'arm64',
};

function toArchitecture(text: string | undefined): Architecture | undefined {
  return architectures[text ?? ''];
}

/** The processor in the cloud's words. */
export function fromArchitecture(architecture: Architecture): string {
  return architecture === 'arm64' ? 'aarch64' : architecture;
}

const originKinds: readonly ImageOrigin['kind'][] = [
  'disk',
  'snapshot',
  'image',
  'file',
  'instance',
];

function toOrigin(text: string | undefined): ImageOrigin | undefined {
  const colon = text?.indexOf(':') ?? -1;
  const kind = originKinds.find((one) => one === text?.slice(0, colon));
  return kind === undefined || text === undefined ? undefined : { kind, id: text.slice(colon + 1) };
}

/** What an image was made of, as a property; of a file only its name, without a query that may be secret. */
export function fromSource(source: ImageSource): string {
  switch (source.kind) {
    case 'disk':
      return `disk:${source.disk}`;
    case 'snapshot':
      return `snapshot:${source.snapshot}`;
    case 'image':
      return `image:${source.image.id}`;
    case 'file':
      return `file:${fileName(source.file)}`;
    case 'instance':
      return `instance:${source.instance}`;
  }
}

function fileName(file: string): string {
  const path = file.replace(/[?#].*$/s, '');
  return path.slice(path.lastIndexOf('/') + 1).slice(0, 200);
}

const grantStates: Readonly<Record<string, Grant['state']>> = {
  accepted: 'ACTIVE',
  rejected: 'REJECTED',
  pending: 'PENDING',
};

/** A membership as the contract has it. */
export function toGrant({ member_id: id, status }: GlanceMember): Grant {
  return {
    principal: { kind: 'project', id },
    reach: 'image',
    state: grantStates[status] ?? 'PENDING',
  };
}
