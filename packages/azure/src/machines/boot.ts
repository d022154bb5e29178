import { ImgkitError, type CallOptions, type LaunchRequest } from '@imgkit/core';

import type { WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { imageReferenceOf, parseImageId } from '../images/image-id.ts';
import { invalid } from '../images/image-request.ts';
import { marketplaceFacts, readMarketplace } from '../images/marketplace.ts';
import { plainId } from '../resources/resource-id.ts';
import { prepareSource, refuseWithdrawn, type SourceFacts } from '../images/sources.ts';

/** What a machine boots from, as Azure has it. */
export interface BootContent {
  /** An image to make the disk of, or nothing for a disk that stands, or is to be made of a snapshot. */
  readonly imageReference?: WireObject | undefined;
  /** The id of the disk, or of the snapshot that it is made of. */
  readonly id?: string | undefined;
  readonly facts: SourceFacts;
  /** The size of it, in bytes; 0 when Azure doesn't let us look. */
  readonly sizeBytes: number;
}

/**
 * Looks at what a machine is to boot from.
 *
 * @throws {@link ImgkitError} with `NOT_FOUND`, `IMAGE_OBSOLETE` or `IMAGE_DELETED`, and with `INVALID_ARGUMENT` for a
 *   disk that is to be smaller.
 */
export async function bootContent(
  context: AzureContext,
  { boot, bootDiskSizeBytes }: Pick<LaunchRequest, 'boot' | 'bootDiskSizeBytes'>,
  options: CallOptions,
): Promise<BootContent> {
  const content = await contentOf(context, boot, options);
  if (bootDiskSizeBytes !== undefined) checkSize(bootDiskSizeBytes, content.sizeBytes);
  return content;
}

async function contentOf(
  context: AzureContext,
  boot: LaunchRequest['boot'],
  options: CallOptions,
): Promise<BootContent> {
  switch (boot?.kind) {
    case 'image': {
      const { provider, id } = boot.image;
      if (provider === context.provider) return imageContent(context, id, options);
      throw new ImgkitError(
        'NOT_FOUND',
        `"${id}" of "${provider}" is not an image of this provider`,
        {
          resource: id,
        },
      );
    }
    case 'disk':
    case 'snapshot': {
      const { facts, sizeBytes = 0 } = await prepareSource(context, boot, {}, options);
      const id = boot.kind === 'disk' ? boot.disk : boot.snapshot;
      const known = { ...facts, osType: facts.osType ?? 'Linux', osState: 'Specialized' };
      return { id: plainId(id), facts: known, sizeBytes };
    }
    default:
      throw invalid(
        'nobody says what the machine boots from',
        'Give an image, a disk or a snapshot.',
      );
  }
}

async function imageContent(
  context: AzureContext,
  id: string,
  options: CallOptions,
): Promise<BootContent> {
  const imageReference = imageReferenceOf(id);
  const place = parseImageId(id);
  if (place?.kind === 'marketplace') {
    const image = await readMarketplace(context, place, options);
    refuseWithdrawn(image);
    return { imageReference, facts: marketplaceFacts(image), sizeBytes: image.diskSizeBytes };
  }
  const source = { kind: 'image', image: { provider: context.provider, id } } as const;
  const { facts, sizeBytes = 0 } = await prepareSource(context, source, {}, options);
  return { imageReference, facts, sizeBytes };
}

function checkSize(wanted: number, least: number): void {
  if (Number.isSafeInteger(wanted) && wanted > 0 && wanted >= least) return;
  throw invalid(
    `the boot disk can't have a size of ${wanted} bytes`,
    `Give a whole number of bytes, at least ${Math.max(1, least)}.`,
  );
}
