import { OperationFailure } from './errors.ts';
import { archivedDiskSize } from './disk-archive.ts';
import type { ImageOrigin } from './image-sources.ts';
import type { Stored, World } from './state.ts';

const gib = 2 ** 30;

/** Makes what stands behind an image when its operation ends. */
export async function makeImage(world: World, image: Stored, origin: ImageOrigin): Promise<void> {
  const { hardware } = world;
  const { resource } = image;
  if (origin.archive) {
    const { bucket, object } = origin.archive;
    const archive = world.objects.find(bucket, object);
    if (!archive) {
      throw new OperationFailure(
        'RESOURCE_NOT_FOUND',
        `The resource 'gs://${bucket}/${object}' was not found`,
        404,
      );
    }
    const disk = await diskSizeOf(archive.path);
    if (disk % gib !== 0) {
      throw new OperationFailure(
        'INVALID_USAGE',
        `The disk.raw in gs://${bucket}/${object} has ${disk} bytes: it must be a multiple of 1 GB.`,
      );
    }
    resource['diskSizeGb'] = String(Math.max(Number(resource['diskSizeGb']), disk / gib));
    resource['archiveSizeBytes'] = String(archive.size);
    await hardware?.createImage(image.link, { kind: 'archive', path: archive.path });
    return;
  }
  const made = origin.hardware && (await hardware?.createImage(image.link, origin.hardware));
  // Google compresses what it stores; how far, nobody can foretell.
  const stored = made?.sizeBytes ?? Math.round((Number(resource['diskSizeGb']) * gib) / 4);
  resource['archiveSizeBytes'] = String(stored);
}

async function diskSizeOf(path: string): Promise<number> {
  try {
    return await archivedDiskSize(path);
  } catch (error) {
    throw new OperationFailure(
      'INVALID_USAGE',
      `The tar archive is not a valid image. ${String(error)}`,
    );
  }
}
