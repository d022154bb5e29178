import { ifThere, type CallOptions, type Image } from '@imgkit/core';

import { flag, object, objects, text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { isForMachineImage } from '../versions/definitions.ts';
import { idOf, ownOf, statusOf, toDeprecationOf, toImage } from '../mapping.ts';
import { definitionName } from '../resources/names.ts';
import { sameRegion } from '../resources/regions.ts';
import { formatId, type ResourceId } from '../resources/resource-id.ts';
import { compareNumbers, parseNumber, type VersionNumber } from '../versions/version-number.ts';
import { readImage, versionsOf } from '../versions/versions.ts';

const type = 'Microsoft.Compute/galleries/images';

/** The images of a gallery, definition by definition: Azure lists them no other way. */
export async function* imagesInGallery(
  context: AzureContext,
  gallery: ResourceId,
  family?: string,
  options?: CallOptions,
): AsyncGenerator<Image, void, undefined> {
  const { provider, gallery: own } = context;
  for await (const definition of definitionsIn(context, gallery, family, options)) {
    if (isForMachineImage(definition)) continue;
    const name = text(definition, 'name') ?? '';
    for await (const version of versionsOf(context, name, options, gallery))
      yield toImage(version, { provider, gallery: own, definition });
  }
}

/** The definitions of a gallery; the one of a name, where that is given. */
export async function* definitionsIn(
  { client }: AzureContext,
  gallery: ResourceId,
  family?: string,
  options?: CallOptions,
): AsyncGenerator<WireObject, void, undefined> {
  if (family === undefined) {
    for await (const page of client.pages(type, gallery, options)) yield* page;
  } else if (definitionName.pattern.test(family)) {
    const id = formatId({ ...gallery, type, names: [...gallery.names, family] });
    const found = await ifThere(() => client.get(id, options));
    if (found !== undefined) yield found;
  }
}

/**
 * The latest version as Azure takes it: the one with the highest number among those that are replicated to the
 * region, and kept from being the latest neither everywhere nor there.
 * https://learn.microsoft.com/azure/virtual-machines/shared-image-galleries#image-versions
 */
export async function latestInGallery(
  context: AzureContext,
  gallery: ResourceId,
  family: string,
  region: string,
  options?: CallOptions,
): Promise<Image | undefined> {
  if (!definitionName.pattern.test(family)) return undefined;
  const candidates: WireObject[] = [];
  for await (const version of versionsOf(context, family, options, gallery))
    if (mayBeLatest(context, version, region)) candidates.push(version);
  for (const candidate of candidates.toSorted(byNumber).toReversed()) {
    const id = idOf(candidate, gallery);
    const image = id && (await readImage(context, formatId(id), options));
    if (image !== undefined && isReplicated(image.native, region)) return image;
  }
  return undefined;
}

function mayBeLatest(context: AzureContext, version: WireObject, region: string): boolean {
  const profile = object(version, 'publishingProfile');
  const target = objects(profile, 'targetRegions').find((one) =>
    sameRegion(text(one, 'name') ?? '', region),
  );
  const { state } = toDeprecationOf(version, context.provider, context.gallery);
  return (
    statusOf(version) === 'READY' &&
    ownOf(version).standalone === undefined &&
    state === 'ACTIVE' &&
    target !== undefined &&
    !flag(profile, 'excludeFromLatest') &&
    !flag(target, 'excludeFromLatest')
  );
}

function byNumber(a: WireObject, b: WireObject): number {
  return compareNumbers(numberIn(a), numberIn(b));
}

function numberIn(version: WireObject): VersionNumber {
  return parseNumber(text(version, 'name') ?? '') ?? [0, 0, 0];
}

function isReplicated(native: unknown, region: string): boolean {
  const version: WireObject = typeof native === 'object' && native !== null ? { ...native } : {};
  const summary = objects(object(version, 'replicationStatus'), 'summary');
  return summary.some(
    (one) => sameRegion(text(one, 'region') ?? '', region) && text(one, 'state') === 'Completed',
  );
}
