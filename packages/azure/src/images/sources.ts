import {
  ImgkitError,
  type CallOptions,
  type Image,
  type ImageSource,
  type OperationControl,
} from '@imgkit/core';

import { number, object, objects, text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { invalid, type AzureImageOptions } from './image-request.ts';
import { diskOfMarketplace, type DiskOfImage } from './disk-images.ts';
import { parseImageId } from './image-id.ts';
import { captureInstance } from '../machines/capture.ts';
import { toImage } from '../mapping.ts';
import {
  isAzureMarketplaceImage,
  marketplaceFacts,
  planOf,
  readMarketplace,
  type AzurePurchasePlan,
} from './marketplace.ts';
import { readPublicVersion } from './public-galleries.ts';
import {
  definitionOf,
  formatId,
  parseIdOf,
  type ResourceId,
  type ResourceType,
} from '../resources/resource-id.ts';
import { inspectDisk, type DiskFile } from '../transfer/disk-file.ts';

/** What a new version is made of. */
export interface PreparedSource {
  /** What is known of it, for the definition. */
  readonly facts: SourceFacts;
  /** The size of the disk that is in it, in bytes; nothing where Azure doesn't let us look. */
  readonly sizeBytes?: number | undefined;
  /** Its storage profile, as Azure takes it; empty for what is made first, and named then. */
  readonly storageProfile: WireObject;
  /** The disk file of this machine that is to be uploaded first; its blob is the source then. */
  readonly file?: DiskFile | undefined;
  /** What is to be done to what it is made of, once it is sure that the version will be made; it may be done again. */
  readonly ready?: ((control: OperationControl, key: string) => Promise<void>) | undefined;
  /** The disk that is made first, where there is no other way; it is the source then. */
  readonly disk?: DiskOfImage | undefined;
}

/** What a source tells of the machines that it was made on. */
export interface SourceFacts {
  readonly osType?: string | undefined;
  readonly osState?: string | undefined;
  readonly hyperVGeneration?: string | undefined;
  readonly architecture?: string | undefined;
  readonly securityType?: string | undefined;
  /** What must be bought with it, and with all that is made of it. */
  readonly plan?: AzurePurchasePlan | undefined;
}

/** The kinds of source that images can be made of. */
export const sourceKinds = ['disk', 'snapshot', 'image', 'file', 'instance'] as const;

/**
 * Looks at what an image is to be made of.
 *
 * @throws {@link ImgkitError} with `UNSUPPORTED`, `NOT_FOUND`, `IMAGE_OBSOLETE` or `IMAGE_DELETED`.
 */
export async function prepareSource(
  context: AzureContext,
  source: ImageSource,
  wishes: AzureImageOptions,
  options?: CallOptions,
): Promise<PreparedSource> {
  const kind: string | undefined = source?.kind;
  switch (source?.kind) {
    case 'disk':
      return fromDisk(context, 'Microsoft.Compute/disks', source.disk, options);
    case 'snapshot':
      return fromDisk(context, 'Microsoft.Compute/snapshots', source.snapshot, options);
    case 'image':
      if (source.image.provider !== context.provider) throw noSource('an image', source.image.id);
      return fromImage(context, source.image.id, options);
    case 'file':
      return fromFile(context, source.file, wishes.storageAccountId);
    case 'instance':
      return captureInstance(context, source, wishes, options);
    default:
      throw new ImgkitError('UNSUPPORTED', `no image can be made of this here: ${kind}`, {
        hint: `Make it of one of these: ${sourceKinds.join(', ')}.`,
      });
  }
}

async function fromDisk(
  context: AzureContext,
  type: ResourceType,
  id: string,
  options?: CallOptions,
): Promise<PreparedSource> {
  const found = parseIdOf(type, id);
  if (found === undefined)
    throw noSource(type === 'Microsoft.Compute/disks' ? 'a disk' : 'a snapshot', id);
  const native = await lookAt(context, formatId(found), options);
  return {
    storageProfile: { osDiskImage: { source: { id: formatId(found) } } },
    sizeBytes: bytesIn(native, 'diskSizeGB'),
    facts: {
      osType: text(native, 'osType'),
      hyperVGeneration: text(native, 'hyperVGeneration'),
      architecture: text(object(native, 'supportedCapabilities'), 'architecture'),
      securityType: text(object(native, 'securityProfile'), 'securityType'),
      plan: planOf(native, 'purchasePlan'),
    },
  };
}

/**
 * Another version, also of another gallery, another subscription, or of those that others share; a managed image; an
 * image of the marketplace, of which Azure makes versions only by way of a disk.
 */
async function fromImage(
  context: AzureContext,
  image: string,
  options?: CallOptions,
): Promise<PreparedSource> {
  const id = parseImageId(image);
  switch (id?.kind) {
    case 'managed':
      return fromManagedImage(context, id.id, options);
    case 'version':
      return fromVersion(context, id.id, options);
    case 'shared':
    case 'community': {
      const found = await readPublicVersion(context, id, options);
      refuseWithdrawn(found.image);
      const field = id.kind === 'shared' ? 'id' : 'communityGalleryImageId';
      return {
        storageProfile: { source: { [field]: found.image.ref.id } },
        sizeBytes: found.image.diskSizeBytes,
        facts: factsOf(found.definition),
      };
    }
    case 'marketplace': {
      const found = await readMarketplace(context, id, options);
      refuseWithdrawn(found);
      if (isAzureMarketplaceImage(found.native) && found.native.dataDiskImages?.length)
        throw new ImgkitError('UNSUPPORTED', `${image} has data disks, which would be lost`, {
          resource: image,
          hint: 'Launch an instance of it, and make the image of that.',
        });
      return { storageProfile: {}, disk: diskOfMarketplace(found), facts: marketplaceFacts(found) };
    }
    case undefined:
      throw noSource('an image', image);
  }
}

async function fromManagedImage(
  context: AzureContext,
  id: ResourceId,
  options?: CallOptions,
): Promise<PreparedSource> {
  const native = await lookAt(context, formatId(id), options);
  const disk = object(object(native, 'storageProfile'), 'osDisk');
  return {
    storageProfile: { source: { id: formatId(id) } },
    sizeBytes: bytesIn(disk, 'diskSizeGB'),
    facts: {
      osType: text(disk, 'osType'),
      osState: text(disk, 'osState'),
      hyperVGeneration: text(native, 'hyperVGeneration'),
    },
  };
}

async function fromVersion(
  context: AzureContext,
  id: ResourceId,
  options?: CallOptions,
): Promise<PreparedSource> {
  const [version, definition] = await Promise.all([
    lookAt(context, formatId(id), options),
    lookAt(context, formatId(definitionOf(id)), options),
  ]);
  const { provider, gallery } = context;
  if (version !== undefined) refuseWithdrawn(toImage(version, { provider, gallery, definition }));
  const disk = object(object(version, 'storageProfile'), 'osDiskImage');
  return {
    storageProfile: { source: { id: formatId(id) } },
    sizeBytes: bytesIn(disk, 'sizeInGB'),
    facts: factsOf(definition),
  };
}

function bytesIn(parent: WireObject | undefined, field: string): number | undefined {
  const gib = number(parent, field);
  return gib === undefined ? undefined : gib * 2 ** 30;
}

function factsOf(definition: WireObject | undefined): SourceFacts {
  return {
    osType: text(definition, 'osType'),
    osState: text(definition, 'osState'),
    hyperVGeneration: text(definition, 'hyperVGeneration'),
    architecture: text(definition, 'architecture'),
    securityType: securityOf(definition),
    plan: planOf(definition, 'purchasePlan'),
  };
}

/** A fixed VHD in a page blob is read where it is; a file of this machine is looked at, and uploaded later. */
async function fromFile(
  { uploads }: AzureContext,
  file: string,
  storageAccountId: string | undefined,
): Promise<PreparedSource> {
  if (/^https?:\/\//i.test(file)) {
    if (storageAccountId === undefined)
      throw invalid(
        'nobody says which storage account the blob is in',
        'Say it: providerOptions: { storageAccountId: "/subscriptions/…/storageAccounts/…" }.',
      );
    return { storageProfile: blobProfile(file, storageAccountId), facts: {} };
  }
  if (uploads === undefined)
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      `${file} can't be uploaded: there is no storage account`,
      {
        resource: file,
        hint: 'Say which one takes uploads: azure({ storage: { account: "acmeimages" } }). Or give the address of a fixed VHD in a page blob.',
      },
    );
  return { storageProfile: {}, facts: {}, file: await inspectDisk(file) };
}

/** The storage profile of a version that is made of a blob. */
export function blobProfile(uri: string, storageAccountId: string): WireObject {
  return { osDiskImage: { source: { uri, storageAccountId } } };
}

/** What a definition says of security. */
function securityOf(definition: WireObject | undefined): string | undefined {
  const feature = objects(definition, 'features').find(
    (one) => text(one, 'name') === 'SecurityType',
  );
  return text(feature, 'value');
}

/** Refuses new use of what is withdrawn: Azure itself wouldn't. */
export function refuseWithdrawn({ name, ref, deprecation: { state, replacement } }: Image): void {
  if (state !== 'OBSOLETE' && state !== 'DELETED') return;
  const instead = replacement && `${replacement.provider}:${replacement.id}`;
  throw new ImgkitError(`IMAGE_${state}`, `image "${name}" is ${state}`, {
    resource: ref.id,
    replacement: instead,
    hint: instead === undefined ? 'Use a newer image of its family.' : `Use ${instead} instead.`,
  });
}

/** What may be used may still not be read: nothing is known of it then, and Azure decides. */
async function lookAt(
  { client, logger }: AzureContext,
  id: string,
  options?: CallOptions,
): Promise<WireObject | undefined> {
  try {
    return await client.get(id, options);
  } catch (error) {
    if (!ImgkitError.is(error, 'PERMISSION_DENIED')) throw error;
    logger.debug('a source may not be looked at; Azure decides whether it may be used', { id });
    return undefined;
  }
}

function noSource(what: string, id: string): ImgkitError {
  return new ImgkitError('NOT_FOUND', `"${id}" is not the id of ${what} at this provider`, {
    resource: id,
    hint: 'Ids look like /subscriptions/…/resourceGroups/…/providers/Microsoft.Compute/….',
  });
}
