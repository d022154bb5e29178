import { objectOf, objectsOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import { ArmError, invalidParameter, propertyChange } from '../errors.ts';
import { regionName } from '../regions.ts';
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
  if (found === undefined || !isUsable(found, location))
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

/** The highest version that is in the region and isn't kept from being the latest. */
function latestVersion(world: World, definition: string, location: string): Stored | undefined {
  return world.resources
    .below(`${definition}/versions/`)
    .filter((version) => isUsable(version, location) && !isExcluded(version, location))
    .toSorted((a, b) => {
      const [left, right] = [numbersOf(a), numbersOf(b)];
      const differing = left.findIndex((part, index) => part !== right[index]);
      return (right[differing] ?? 0) - (left[differing] ?? 0);
    })[0];
}

function numbersOf({ id }: Stored): readonly number[] {
  return (id.split('/').at(-1) ?? '').split('.').map(Number);
}

function isUsable(stored: Stored, location: string): boolean {
  if (!/^(?:Succeeded|Updating)$/.test(stateOf(stored))) return false;
  const profile = objectOf(propertiesOf(stored), 'publishingProfile');
  return profile === undefined || regionIn(profile, location) !== undefined;
}

function isExcluded(stored: Stored, location: string): boolean {
  const profile = objectOf(propertiesOf(stored), 'publishingProfile');
  const region = regionIn(profile, location);
  return profile?.['excludeFromLatest'] === true || region?.['excludeFromLatest'] === true;
}

function regionIn(profile: JsonObject | undefined, location: string): JsonObject | undefined {
  return objectsOf(profile, 'targetRegions').find(
    (region) => regionName(textOf(region, 'name') ?? '') === location,
  );
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
