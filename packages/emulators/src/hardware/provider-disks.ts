import { ImgkitError, type DiskSource, type Disks, type Snapshots } from '@imgkit/core';

import type { Hardware, HardwareDiskSource } from './hardware.ts';
import { idOf, type ProviderThings } from './things.ts';

/** Real disks and snapshots: the provider's. */
export function providerDisks(
  things: ProviderThings,
): Pick<Hardware, 'createDisk' | 'deleteDisk' | 'createSnapshot' | 'deleteSnapshot'> {
  const { disks, snapshots, provider } = things;
  return {
    async createDisk(link, source, sizeBytes) {
      if (source.kind === 'disk') {
        // Taken through a snapshot, which also works while a machine uses it.
        const between = await snapshotsOf(things).create({
          name: things.newName(link),
          disk: idOf(disks, source.link),
        });
        const copy = { kind: 'snapshot', snapshot: between.id } as const;
        const name = things.newName(link);
        const { id } = await disksOf(things).create({ name, source: copy, sizeBytes });
        disks.set(link, id);
        await snapshotsOf(things).delete(between.id);
        return;
      }
      const request = { name: things.newName(link), source: sourceOf(things, source), sizeBytes };
      const { id } = await disksOf(things).create(request);
      disks.set(link, id);
    },
    async deleteDisk(link) {
      const id = disks.get(link);
      if (id === undefined) return;
      await disksOf(things).delete(id);
      disks.delete(link);
    },
    async createSnapshot(link, disk) {
      const request = { name: things.newName(link), disk: idOf(disks, disk) };
      const { id } = await snapshotsOf(things).create(request);
      snapshots.set(link, id);
    },
    async deleteSnapshot(link) {
      const id = snapshots.get(link);
      if (id === undefined) return;
      await provider.snapshots?.delete(id);
      snapshots.delete(link);
    },
  };
}

function sourceOf(
  things: ProviderThings,
  source: Exclude<HardwareDiskSource, { readonly kind: 'disk' }>,
): DiskSource {
  switch (source.kind) {
    case 'empty':
      return { kind: 'empty' };
    case 'image':
      return { kind: 'image', image: idOf(things.images, source.link) };
    case 'snapshot':
      return { kind: 'snapshot', snapshot: idOf(things.snapshots, source.link) };
  }
}

function disksOf({ provider }: ProviderThings): Disks {
  if (provider.disks) return provider.disks;
  throw new ImgkitError('UNSUPPORTED', `the provider "${provider.name}" has no disks`);
}

function snapshotsOf({ provider }: ProviderThings): Snapshots {
  if (provider.snapshots) return provider.snapshots;
  throw new ImgkitError('UNSUPPORTED', `the provider "${provider.name}" has no snapshots`);
}
