import { ImgkitError, type OwnedCollection, type OwnedItem } from '@imgkit/core';

import type { GceContext } from '../context.ts';
import { hasLabels } from '../resources/labels.ts';
import type { BucketUploads } from './bucket-uploads.ts';

/**
 * Images together with what was uploaded for them and is still there: what a process leaves that ended before its
 * image was READY. Uploads have ids like `gs://bucket/imgkit/web-1.tar.gz`. They come last: what a step made is its
 * image, if there is one.
 */
export function imagesAndUploads(
  context: GceContext,
  images: OwnedCollection,
  uploads: BucketUploads | undefined,
): OwnedCollection {
  if (uploads === undefined) return images;
  return {
    async *list(filter, options): AsyncGenerator<OwnedItem, void, undefined> {
      yield* images.list(filter, options);
      const listed = context.listing('owned.list', undefined, options, () => uploads.list());
      for await (const upload of listed) if (hasLabels(upload.labels, filter.labels)) yield upload;
    },

    async delete(id, options): Promise<void> {
      if (!id.startsWith('gs://')) {
        await images.delete(id, options);
        return;
      }
      await context.call('owned.delete', id, options, async () => {
        if (!id.startsWith(uploads.place))
          throw new ImgkitError('INVALID_ARGUMENT', `"${id}" was not uploaded by imgkit`, {
            hint: `What is uploaded is below ${uploads.place}.`,
          });
        await uploads.remove(id);
      });
    },
  };
}
