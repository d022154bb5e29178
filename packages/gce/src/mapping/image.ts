import {
  deprecationStates,
  type Deprecation,
  type DeprecationDates,
  type Image,
  type ImageOrigin,
  type ImageStatus,
} from '@imgkit/core';

import { isWireObject, number, object, text, textMap, type WireObject } from '../api/wire.ts';
import {
  decodeLabelValue,
  familyLabel,
  fromGceLabels,
  publishedLabel,
  versionLabel,
} from '../resources/labels.ts';
import { formatId, parseIdOf, shortId } from '../resources/resource-id.ts';
import { gib, toArchitecture, toInstant } from '../mapping.ts';

/** How Google shows the deprecation of an image. */
export interface GceDeprecation {
  readonly state?: string | undefined;
  /** The URL of the image to use instead. */
  readonly replacement?: string | undefined;
  readonly deprecated?: string | undefined;
  readonly obsolete?: string | undefined;
  readonly deleted?: string | undefined;
}

/** Google's own object of an image, as far as it is of use; 64-bit numbers are text. */
export interface GceImage {
  readonly kind: 'compute#image';
  /** Google's number of it. */
  readonly id: string;
  readonly name: string;
  readonly selfLink: string;
  readonly status: string;
  readonly creationTimestamp?: string | undefined;
  readonly family?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly labelFingerprint?: string | undefined;
  readonly diskSizeGb?: string | undefined;
  readonly archiveSizeBytes?: string | undefined;
  readonly architecture?: string | undefined;
  readonly licenses?: readonly string[] | undefined;
  readonly guestOsFeatures?: readonly { readonly type?: string | undefined }[] | undefined;
  readonly storageLocations?: readonly string[] | undefined;
  readonly imageEncryptionKey?: { readonly kmsKeyName?: string | undefined } | undefined;
  readonly deprecated?: GceDeprecation | undefined;
  readonly sourceDisk?: string | undefined;
  readonly sourceImage?: string | undefined;
  readonly sourceSnapshot?: string | undefined;
}

/**
 * Whether an image's `native` is an image of Google's, which gives it a type.
 *
 * @example
 * ```ts
 * import { isGceImage } from '@imgkit/gce';
 * import type { Image } from '@imgkit/core';
 *
 * function licensesOf({ native }: Image): readonly string[] {
 *   return isGceImage(native) ? (native.licenses ?? []) : [];
 * }
 * ```
 */
export function isGceImage(native: unknown): native is GceImage {
  return (
    isWireObject(native) &&
    native['kind'] === 'compute#image' &&
    ['id', 'name', 'selfLink', 'status'].every((key) => typeof native[key] === 'string')
  );
}

const statuses: Readonly<Record<string, ImageStatus>> = {
  PENDING: 'PENDING',
  READY: 'READY',
  FAILED: 'FAILED',
  DELETING: 'DELETING',
};

/** Shows an image of Google's. `asked` is the project it was asked of. */
export function toImage(provider: string, asked: string, native: WireObject): Image {
  const name = text(native, 'name') ?? '';
  const location = parseIdOf('images', text(native, 'selfLink'));
  const project = location?.project ?? asked;
  const raw = textMap(native, 'labels');
  const [labelled, version] = [raw[familyLabel], raw[versionLabel]];
  const family = text(native, 'family');
  const publishedAt = Number(raw[publishedLabel] ?? Number.NaN);
  const published = family !== undefined;
  const stored = number(native, 'archiveSizeBytes');
  const architecture = toArchitecture(text(native, 'architecture'));
  const description = text(native, 'description');
  const origin = originOf(native);
  return {
    ref: { provider, id: formatId({ project, scope: 'global', collection: 'images', name }) },
    name,
    project,
    family: family ?? labelled,
    version: version === undefined ? undefined : decodeLabelValue(version),
    published,
    publishedAt:
      published && Number.isSafeInteger(publishedAt)
        ? new Date(publishedAt).toISOString()
        : undefined,
    status: statuses[text(native, 'status') ?? ''] ?? 'PENDING',
    deprecation: toDeprecation(provider, object(native, 'deprecated')),
    createdAt: toInstant(text(native, 'creationTimestamp')),
    diskSizeBytes: (number(native, 'diskSizeGb') ?? 0) * gib,
    storedBytes: stored === 0 ? undefined : stored,
    architecture,
    labels: fromGceLabels(raw),
    description,
    origin,
    native,
  };
}

/** Shows how an image may be used. */
function toDeprecation(provider: string, native: WireObject | undefined): Deprecation {
  const state = text(native, 'state');
  const replacement = text(native, 'replacement');
  const [deprecated, obsolete] = [text(native, 'deprecated'), text(native, 'obsolete')];
  const deleted = text(native, 'deleted');
  const dates: DeprecationDates = {
    ...(deprecated && { deprecated }),
    ...(obsolete && { obsolete }),
    ...(deleted && { deleted }),
  };
  return {
    state: deprecationStates.find((known) => known === state) ?? 'ACTIVE',
    ...(replacement && { replacement: { provider, id: shortId(replacement) } }),
    ...(Object.keys(dates).length > 0 && { dates }),
  };
}

function originOf(native: WireObject): ImageOrigin | undefined {
  const [disk, snapshot] = [text(native, 'sourceDisk'), text(native, 'sourceSnapshot')];
  const [image, file] = [text(native, 'sourceImage'), text(object(native, 'rawDisk'), 'source')];
  if (disk !== undefined) return { kind: 'disk', id: shortId(disk) };
  if (snapshot !== undefined) return { kind: 'snapshot', id: shortId(snapshot) };
  if (image !== undefined) return { kind: 'image', id: shortId(image) };
  return file === undefined ? undefined : { kind: 'file', id: file };
}
