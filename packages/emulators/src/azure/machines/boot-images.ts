import { objectOf, objectsOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import type { Call } from '../call.ts';
import { ArmError, invalidParameter } from '../errors.ts';
import {
  compareNumbers,
  isReplicated,
  latestVersion,
  nameOf,
} from '../galleries/latest-version.ts';
import { marketplaceKey, marketplaceSource } from '../marketplace/marketplace.ts';
import { publicSource } from '../public-galleries/public-galleries.ts';
import { displayName, regionName } from '../regions.ts';
import { isOfType, parentId } from '../resource-id.ts';
import { propertiesOf, type Stored } from '../state.ts';

const versionType = 'Microsoft.Compute/galleries/images/versions';

/** What a machine boots from, when that is an image. */
export interface BootImage {
  /** What stands behind it: the id of an image version, a managed image, or an image of the marketplace. */
  readonly id: string;
  /** The image reference as answers have it. */
  readonly reference: JsonObject;
  readonly sizeInGB: number;
  /** Its further disks, which its machines get, too. */
  readonly dataDisks: readonly { readonly lun: number; readonly sizeInGB: number }[];
  readonly osType: string;
  /** Whether its machines are set up anew. */
  readonly generalized: boolean;
  /** What it asks of the security of its machines. */
  readonly securityType: string | undefined;
  readonly generation: string;
  readonly architecture: string;
}

/** Finds an image for a machine in a region. */
export function bootImage(call: Call, reference: JsonObject, location: string): BootImage {
  const open =
    textOf(reference, 'sharedGalleryImageId') ?? textOf(reference, 'communityGalleryImageId');
  const offered =
    open === undefined ? undefined : publicSource(call.world, call.subscription, open, location);
  if (offered !== undefined) return galleryImage(call, offered, reference, location);
  const id = textOf(reference, 'id');
  if (id === undefined) return marketplaceImage(call, reference, location);
  if (isOfType(id, 'Microsoft.Compute/images')) return managedImage(call, id, reference, location);
  if (isOfType(id, versionType)) return galleryImage(call, call.source(id), reference, location);
  if (isOfType(id, 'Microsoft.Compute/galleries/images')) {
    call.source(id);
    const latest = latestVersion(call.world, id, location);
    if (latest === undefined) throw notAvailable(id, location);
    return galleryImage(call, latest, reference, location);
  }
  throw invalidParameter('imageReference.id', `'${id}' is not the id of an image.`);
}

/** An image of the marketplace: a version of it, or `latest`. */
function marketplaceImage(call: Call, reference: JsonObject, location: string): BootImage {
  const names = ['publisher', 'offer', 'sku', 'version'].map((key) => textOf(reference, key));
  const [publisher, offer, sku, wanted] = names;
  if (publisher === undefined || offer === undefined || sku === undefined || wanted === undefined)
    throw invalidParameter(
      'imageReference',
      'An id of an image, or publisher, offer, sku and version of one, must be given.',
    );
  const { world, subscription } = call;
  const line = [publisher, offer, sku];
  const exactVersion = wanted === 'latest' ? latestOffered(call, line) : wanted;
  const id = `/subscriptions/${subscription}/providers/Microsoft.Compute/locations/${location}/publishers/${publisher}/artifacttypes/vmimage/offers/${offer}/skus/${sku}/versions/${exactVersion}`;
  const found = marketplaceSource(world, id, objectOf(call.body, 'plan'));
  return {
    id,
    reference: { ...reference, exactVersion },
    sizeInGB: found?.sizeInGB ?? 30,
    dataDisks: [],
    osType: found?.osType ?? 'Linux',
    generalized: true,
    securityType: 'TrustedLaunchSupported',
    generation: found?.hyperVGeneration ?? 'V2',
    architecture: found?.architecture ?? 'x64',
  };
}

function latestOffered({ world }: Call, line: readonly string[]): string {
  const key = marketplaceKey(line);
  const versions = [...world.marketplace.values()]
    .filter((one) => marketplaceKey([one.publisher, one.offer, one.sku]) === key)
    .filter((one) => one.deprecation?.imageState !== 'Deprecated')
    .map(({ version }) => version);
  return versions.toSorted(compareNumbers).at(-1) ?? 'latest';
}

function managedImage(call: Call, id: string, reference: JsonObject, location: string): BootImage {
  const stored = call.source(id);
  if (regionName(textOf(stored.resource, 'location') ?? '') !== location)
    throw invalidParameter('imageReference', `The image '${id}' is not in '${location}'.`);
  const properties = propertiesOf(stored);
  const disk = objectOf(objectOf(properties, 'storageProfile'), 'osDisk');
  return {
    id: stored.id,
    reference,
    sizeInGB: Number(disk?.['diskSizeGB'] ?? 30),
    dataDisks: [],
    osType: textOf(disk, 'osType') ?? 'Linux',
    generalized: textOf(disk, 'osState') !== 'Specialized',
    securityType: undefined,
    generation: textOf(properties, 'hyperVGeneration') ?? 'V1',
    architecture: 'x64',
  };
}

function galleryImage(
  call: Call,
  stored: Stored,
  reference: JsonObject,
  location: string,
): BootImage {
  if (!isReplicated(call.world, stored, location)) throw notAvailable(stored.id, location);
  const definition = call.world.resources.find(parentId(stored.id));
  const told = definition === undefined ? {} : propertiesOf(definition);
  const storage = objectOf(propertiesOf(stored), 'storageProfile');
  const disk = objectOf(storage, 'osDiskImage');
  const security = objectsOf(told, 'features').find((one) => one['name'] === 'SecurityType');
  return {
    id: stored.id,
    reference: { ...reference, exactVersion: nameOf(stored) },
    sizeInGB: Number(disk?.['sizeInGB'] ?? 30),
    dataDisks: objectsOf(storage, 'dataDiskImages').map(({ lun, sizeInGB }) => ({
      lun: Number(lun),
      sizeInGB: Number(sizeInGB ?? 1),
    })),
    osType: textOf(told, 'osType') ?? 'Linux',
    generalized: textOf(told, 'osState') !== 'Specialized',
    securityType: textOf(security, 'value'),
    generation: textOf(told, 'hyperVGeneration') ?? 'V2',
    architecture: textOf(told, 'architecture') ?? 'x64',
  };
}

function notAvailable(id: string, location: string): ArmError {
  return new ArmError(
    404,
    'GalleryImageNotFound',
    `The gallery image ${id} is not available in ${displayName(location)} region. Please contact image owner to replicate to this region, or change your requested region.`,
    { target: 'imageReference' },
  );
}
