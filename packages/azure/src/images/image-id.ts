import { ImgkitError } from '@imgkit/core';

import type { WireObject } from '../api/wire.ts';
import {
  formatId,
  ownSpelling,
  parseResourceId,
  type ResourceId,
} from '../resources/resource-id.ts';

/** A version that another subscription shares with this one, or with everybody, by the gallery's public name. */
export interface PublicVersionId {
  readonly kind: 'shared' | 'community';
  /** The unique name of a shared gallery, the public name of a community gallery. */
  readonly gallery: string;
  readonly definition: string;
  /** Its number, or `latest`. */
  readonly version: string;
}

/** An image of the marketplace. */
export interface MarketplaceId {
  readonly kind: 'marketplace';
  readonly publisher: string;
  readonly offer: string;
  readonly sku: string;
  /** Its number, or `latest`. */
  readonly version: string;
}

/** Where an image is, by the kind of place. */
export type ImageId =
  | { readonly kind: 'version'; readonly id: ResourceId }
  | { readonly kind: 'managed'; readonly id: ResourceId }
  | PublicVersionId
  | MarketplaceId;

const publicForm =
  /^\/?(shared|community)Galleries\/([^/]+)\/images\/([^/]+)(?:\/versions\/([^/]+))?\/?$/i;
const urn = /^([\w.-]+):([\w.-]+):([\w.-]+):([\w.-]+)$/;
const marketplaceForm =
  /^\/subscriptions\/[^/]+\/providers\/Microsoft\.Compute\/locations\/[^/]+\/publishers\/([^/]+)\/artifacttypes\/vmimage\/offers\/([^/]+)\/skus\/([^/]+)\/versions\/([^/]+)\/?$/i;

/**
 * Reads the id of an image, in whatever case: of a version in a gallery, a managed image, a version in a shared or
 * community gallery (`/sharedGalleries/…`, `/communityGalleries/…`; the latest where none is named), or an image of
 * the marketplace (`publisher:offer:sku:version`, or its ARM id). Nothing for other texts.
 */
export function parseImageId(text: string): ImageId | undefined {
  const id = parseResourceId(text);
  if (id?.type === 'Microsoft.Compute/galleries/images/versions') return { kind: 'version', id };
  if (id?.type === 'Microsoft.Compute/images') return { kind: 'managed', id };
  const [, kind, gallery, definition, number = 'latest'] = publicForm.exec(text) ?? [];
  if (kind !== undefined && gallery !== undefined && definition !== undefined) {
    const version = number.toLowerCase();
    return {
      kind: kind.toLowerCase() === 'shared' ? 'shared' : 'community',
      gallery,
      definition,
      version,
    };
  }
  const [, publisher, offer, sku, version] = urn.exec(text) ?? marketplaceForm.exec(text) ?? [];
  if (!publisher || !offer || !sku || !version) return undefined;
  return { kind: 'marketplace', publisher, offer, sku, version: version.toLowerCase() };
}

/** The id of an image in the form that imgkit gives. */
export function formatImageId(image: ImageId): string {
  switch (image.kind) {
    case 'version':
    case 'managed':
      return formatId(image.id);
    case 'shared':
    case 'community':
      return `/${image.kind}Galleries/${image.gallery}/images/${image.definition}/versions/${image.version}`;
    case 'marketplace':
      return [image.publisher, image.offer, image.sku, image.version].join(':');
  }
}

/** The id of an image in its documented form, with the provider's own spelling of its resource group. */
export function ownImageSpelling(id: string, own: ResourceId): string {
  const image = parseImageId(id);
  return image === undefined ? id : ownSpelling(formatImageId(image), own);
}

/** Whether two ids name the same image, or the same resource of another kind. */
export function sameImageId(a: string, b: string): boolean {
  return plain(a) === plain(b);
}

function plain(text: string): string {
  const image = parseImageId(text);
  const id = parseResourceId(text);
  return (image ? formatImageId(image) : id ? formatId(id) : text).toLowerCase();
}

/**
 * What an `imageReference` of a machine, a scale set or a disk is for an image. Those of the marketplace with a
 * purchase plan want the plan on the machine, too: it is in the image's `native`.
 *
 * @throws ImgkitError with `NOT_FOUND` for what can't be the id of an image.
 */
export function imageReferenceOf(text: string): WireObject {
  const image = parseImageId(text);
  switch (image?.kind) {
    case 'version':
    case 'managed':
      return { id: formatImageId(image) };
    case 'shared':
      return { sharedGalleryImageId: formatImageId(image) };
    case 'community':
      return { communityGalleryImageId: formatImageId(image) };
    case 'marketplace': {
      const { publisher, offer, sku, version } = image;
      return { publisher, offer, sku, version };
    }
    case undefined:
      throw noImage(text);
  }
}

export function noImage(id: string): ImgkitError {
  return new ImgkitError('NOT_FOUND', `"${id}" is not the id of an image`, {
    resource: id,
    hint: 'Ids look like /subscriptions/…/galleries/golden/images/web/versions/1.0.0, /communityGalleries/…/images/…, or publisher:offer:sku:version.',
  });
}
