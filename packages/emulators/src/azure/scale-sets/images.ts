import { objectOf, objectsOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import { ArmError, invalidParameter, propertyChange } from '../errors.ts';
import { isReplicated, latestVersion } from '../galleries/latest-version.ts';
import { isOfType, parentId } from '../resource-id.ts';
import { propertiesOf, stateOf, type Stored, type World } from '../state.ts';
import type { ChosenImage } from './records.ts';

const definitionType = 'Microsoft.Compute/galleries/images';
const versionType = `${definitionType}/versions`;

/**
 * The image that a reference stands for at this moment: a version by its id, or the latest one of a definition.
 *
 * @throws {@link ArmError} 404 when there is none in the region.
 */
export function chooseImage(world: World, reference: JsonObject, location: string): ChosenImage {
  const id = textOf(reference, 'id');
  if (id === undefined) return marketplaceImage(reference);
  const found = isOfType(id, definitionType)
    ? latestVersion(world, id, location)
    : world.resources.find(id);
  if (found === undefined || !isUsable(world, found, location))
    throw new ArmError(
      404,
      'GalleryImageNotFound',
      `The gallery image ${id} is not available in ${location} region. Please contact image owner to replicate to this region, or change your requested region.`,
      { target: 'imageReference' },
    );
  const exactVersion = isOfType(found.id, versionType) ? found.id.split('/').at(-1) : undefined;
  return { reference: { id }, exactVersion, id: found.id };
}

/** Whether a reference is to whatever the latest version is. */
export function isLatest(reference: JsonObject | undefined): boolean {
  const id = textOf(reference, 'id');
  return id === undefined
    ? textOf(reference, 'version') === 'latest'
    : isOfType(id, definitionType);
}

/** A marketplace image; all of them are there, and `latest` is one of them. */
function marketplaceImage(reference: JsonObject): ChosenImage {
  const shared =
    textOf(reference, 'sharedGalleryImageId') ?? textOf(reference, 'communityGalleryImageId');
  if (shared !== undefined)
    return { reference, exactVersion: shared.split('/').at(-1), id: shared };
  const version = textOf(reference, 'version');
  if (textOf(reference, 'publisher') === undefined || version === undefined)
    throw invalidParameter('imageReference', 'An image reference needs an id, or a publisher.');
  return { reference, exactVersion: version === 'latest' ? '1.0.0' : version, id: '' };
}

/** Whether machines can be of what an id names: a version in the region, or a managed image, which stands. */
function isUsable(world: World, stored: Stored, location: string): boolean {
  return isOfType(stored.id, versionType)
    ? isReplicated(world, stored, location)
    : /^(?:Succeeded|Updating)$/.test(stateOf(stored));
}

/** Refuses an image whose machines would differ from those that stand: Azure replaces their system disk only. */
export function refuseOtherLayout(world: World, before: ChosenImage, after: ChosenImage): void {
  const [old, next] = [layoutOf(world, before), layoutOf(world, after)];
  if (old === undefined || next === undefined) return;
  for (const name of ['osType', 'hyperVGeneration', 'dataDisks'] as const)
    if (old[name] !== next[name])
      throw propertyChange(`imageReference (${name}: ${old[name]} to ${next[name]})`);
}

function layoutOf(world: World, { id }: ChosenImage) {
  if (!isOfType(id, versionType)) return undefined;
  const definition = world.resources.find(parentId(id));
  const version = world.resources.find(id);
  if (definition === undefined || version === undefined) return undefined;
  const properties = propertiesOf(definition);
  const disks = objectsOf(objectOf(propertiesOf(version), 'storageProfile'), 'dataDiskImages');
  return {
    osType: textOf(properties, 'osType') ?? 'Linux',
    hyperVGeneration: textOf(properties, 'hyperVGeneration') ?? 'V2',
    dataDisks: disks.map((disk) => Number(disk['lun'])).join(','),
  };
}

/** The operating system that an image has. */
export function osTypeOf(world: World, { id }: ChosenImage): string {
  const properties = propertiesOf(
    world.resources.find(isOfType(id, versionType) ? parentId(id) : id) ?? { resource: {} },
  );
  const disk = objectOf(objectOf(properties, 'storageProfile'), 'osDisk');
  return textOf(properties, 'osType') ?? textOf(disk, 'osType') ?? 'Linux';
}

/** The size of the system disk of an image, in GiB. */
export function diskSizeOf(world: World, { id }: ChosenImage): number {
  const storage = objectOf(
    propertiesOf(world.resources.find(id) ?? { resource: {} }),
    'storageProfile',
  );
  const size =
    objectOf(storage, 'osDiskImage')?.['sizeInGB'] ?? objectOf(storage, 'osDisk')?.['diskSizeGB'];
  return typeof size === 'number' ? size : 30;
}
