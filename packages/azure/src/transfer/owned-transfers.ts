import { ifThere, type Disks, type OwnedCollection, type OwnedItem } from '@imgkit/core';

import type { AzureContext } from '../context.ts';
import { hasLabels } from '../resources/tags.ts';
import { isReadable, removeReadable } from './readable-disk.ts';

/**
 * Images together with what was uploaded for them and is still there: what a process leaves that ended before its
 * image was READY. Uploads have their addresses as ids. They come last: what a step made is its image, if there is one.
 */
export function imagesAndUploads(context: AzureContext, images: OwnedCollection): OwnedCollection {
  const { uploads } = context;
  if (uploads === undefined) return images;
  return {
    async *list(filter, options): AsyncGenerator<OwnedItem, void, undefined> {
      yield* images.list(filter, options);
      const listed = context.listing('owned.list', undefined, options, () => uploads.list(options));
      for await (const upload of listed) if (hasLabels(upload.labels, filter.labels)) yield upload;
    },

    async delete(id, options): Promise<void> {
      if (!/^https?:/.test(id)) {
        await images.delete(id, options);
        return;
      }
      await context.call('owned.delete', id, options, () => uploads.remove(id, options));
    },
  };
}

/** Disks, of which those that exports have left may still be read: then Azure refuses to remove them. */
export function disksAndExports(context: AzureContext, disks: Disks): OwnedCollection {
  return {
    list: (filter, options) => disks.list(filter, options),

    async delete(id, options): Promise<void> {
      const disk = await ifThere(() => disks.get(id, options));
      if (disk === undefined || !isReadable(disk)) await disks.delete(id, options);
      else await context.call('owned.delete', id, options, () => removeReadable(context, disk.id));
    },
  };
}
