import type { CallOptions, ImageRef } from '@imgkit/core';

import { text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import {
  formatImageId,
  imageReferenceOf,
  noImage,
  parseImageId,
  type ImageId,
} from '../images/image-id.ts';
import { bootContent } from '../machines/boot.ts';
import type { AzureMachineOptions } from '../machines/machine-options.ts';
import {
  definitionOf,
  formatId,
  ownSpelling,
  parseIdOf,
  sameId,
} from '../resources/resource-id.ts';

/** The image that the machines of a fleet are to boot from, and what is known of it. */
export interface FleetImage {
  /** As the model of the scale set names it. */
  readonly reference: WireObject;
  /** Whether it has been specialized: its machines are told nothing at their first boot. */
  readonly specialized: boolean;
  readonly osType: 'Linux' | 'Windows';
  /** What its definition says of security: `TrustedLaunch`. */
  readonly security: string | undefined;
  readonly architecture: string | undefined;
  readonly generation: string | undefined;
  /** The purchase plan of an image of the marketplace that has one. */
  readonly plan: AzureMachineOptions['plan'];
}

/**
 * Looks at an image that machines are to boot from.
 *
 * @throws {@link ImgkitError} with `NOT_FOUND`, `IMAGE_OBSOLETE` or `IMAGE_DELETED`.
 */
export async function findImage(
  context: AzureContext,
  image: ImageRef,
  boot: 'version' | 'latest',
  options: CallOptions,
): Promise<FleetImage> {
  const { facts } = await bootContent(context, { boot: { kind: 'image', image } }, options);
  const found = parseImageId(image.id);
  if (found === undefined) throw noImage(image.id);
  return {
    reference: toReference(found, boot),
    specialized: facts.osState === 'Specialized',
    osType: facts.osType === 'Windows' ? 'Windows' : 'Linux',
    security: facts.securityType,
    architecture: facts.architecture,
    generation: facts.hyperVGeneration,
    plan: facts.plan,
  };
}

/** An image as Azure's models name it; the latest one by its definition. */
export function toReference(image: ImageId, boot: 'version' | 'latest'): WireObject {
  if (boot === 'version' || image.kind === 'managed') return imageReferenceOf(formatImageId(image));
  if (image.kind === 'version') return { id: formatId(definitionOf(image.id)) };
  if (image.kind === 'marketplace')
    return imageReferenceOf(formatImageId({ ...image, version: 'latest' }));
  const id = formatImageId({ ...image, version: 'latest' }).replace(/\/versions\/latest$/, '');
  return { [`${image.kind}GalleryImageId`]: id };
}

/** Whether a model boots from whatever is the latest. */
export function isLatest(reference: WireObject | undefined): boolean {
  if (text(reference, 'version') === 'latest') return true;
  const id = text(reference, 'id');
  if (id !== undefined) return parseIdOf('Microsoft.Compute/galleries/images', id) !== undefined;
  const shared =
    text(reference, 'sharedGalleryImageId') ?? text(reference, 'communityGalleryImageId');
  return shared !== undefined && !/\/versions\/\d/i.test(shared);
}

/** The id of the image that a reference stands for: with the version that a machine got, where it is of the latest. */
export function imageIdOf(context: AzureContext, reference: WireObject | undefined): string {
  const exact = text(reference, 'exactVersion');
  const id = text(reference, 'id');
  if (id !== undefined) {
    const own = ownSpelling(id, context.gallery);
    return isLatest(reference) && exact !== undefined ? `${own}/versions/${exact}` : own;
  }
  const shared =
    text(reference, 'sharedGalleryImageId') ?? text(reference, 'communityGalleryImageId');
  if (shared !== undefined)
    return isLatest(reference) && exact !== undefined
      ? `${shared.replace(/\/versions\/[^/]*$/i, '')}/versions/${exact}`
      : shared;
  const { publisher, offer, sku, version } = reference ?? {};
  return [publisher, offer, sku, exact ?? version].map(String).join(':');
}

/** Whether a machine boots from what a model names. */
export function bootsFrom(
  context: AzureContext,
  member: WireObject | undefined,
  model: WireObject | undefined,
): boolean {
  const plain = (reference: WireObject | undefined): string =>
    imageIdOf(context, { ...reference, exactVersion: undefined });
  return sameId(plain(member), plain(model)) || sameId(imageIdOf(context, member), plain(model));
}
