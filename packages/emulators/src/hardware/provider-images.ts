import { ImgkitError, type ImageSource } from '@imgkit/core';

import type { Hardware, HardwareImageSource } from './hardware.ts';
import { idOf, type ProviderThings } from './things.ts';

/** Real images: the provider's. */
export function providerImages(
  things: ProviderThings,
): Pick<Hardware, 'createImage' | 'deleteImage'> {
  const { provider, images } = things;
  return {
    async createImage(link, source) {
      const name = things.newName(link);
      const image =
        source.kind === 'archive'
          ? await importer(things).import({ name, from: source.path, format: 'gce-tar' })
          : await provider.images.create({ name, source: sourceOf(things, source) });
      images.set(link, image.ref);
      const { diskSizeBytes, storedBytes = diskSizeBytes } = image;
      return { sizeBytes: storedBytes, diskSizeBytes };
    },
    async deleteImage(link) {
      const ref = images.get(link);
      if (!ref) return;
      await provider.images.delete(ref.id);
      images.delete(link);
    },
  };
}

function sourceOf(
  things: ProviderThings,
  source: Exclude<HardwareImageSource, { readonly kind: 'archive' }>,
): ImageSource {
  switch (source.kind) {
    case 'file':
      return { kind: 'file', file: source.path };
    case 'image':
      return { kind: 'image', image: idOf(things.images, source.link) };
    case 'snapshot':
      return { kind: 'snapshot', snapshot: idOf(things.snapshots, source.link) };
    case 'disk': {
      // The disk of a machine that runs is taken through the machine: Google does so with forceCreate.
      const user = things.users.get(source.link);
      const instance = user === undefined ? undefined : things.instances.get(user);
      if (instance !== undefined) return { kind: 'instance', instance, whenRunning: 'flush' };
      return { kind: 'disk', disk: idOf(things.disks, source.link) };
    }
  }
}

function importer({ provider }: ProviderThings) {
  if (provider.transfer) return provider.transfer;
  throw new ImgkitError('UNSUPPORTED', `The provider "${provider.name}" imports no disk files.`);
}
