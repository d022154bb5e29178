import type { OwnedCollection, OwnedItem } from '@imgkit/core';

import { properties as own, toLabels } from '../mapping.ts';
import type { CloudContext } from '../resources/context.ts';
import { hasLabels } from '../resources/rules.ts';

const importPrefix = 'imports/';
const exportPrefix = 'exports/';

/**
 * Images together with what is on its way to become one, and what exports have left: all that stays behind when a
 * process is killed on the way. Imports have ids like `imports/<digest>`, and come last: what a step made is its image,
 * if there is one. Exports have ids like `exports/<container>`, and the ownership labels of the image.
 */
export function imagesAndTransfers(
  context: CloudContext,
  images: OwnedCollection,
  { imports, exports }: Pick<CloudContext, 'imports' | 'exports'>,
): OwnedCollection {
  if (imports === undefined || exports === undefined) return images;
  return {
    async *list(filter, options): AsyncGenerator<OwnedItem, void, undefined> {
      // First, so that what becomes an image meanwhile is in one of both lists.
      const waiting: { readonly key: string; readonly item: OwnedItem }[] = [];
      const keys = context.listing('owned.list', undefined, options, () =>
        imports.records.list(options),
      );
      for await (const key of keys) {
        const record = await context.call('owned.list', key, options, () =>
          imports.records.read(key, options),
        );
        if (record === undefined) continue;
        const { name, createdAt, properties } = record;
        const labels = toLabels(properties);
        if (hasLabels(labels, filter.labels))
          waiting.push({ key, item: { id: `${importPrefix}${key}`, name, createdAt, labels } });
      }
      const made = new Set<unknown>();
      for await (const image of images.list(filter, options)) {
        made.add(Reflect.get(Object(Reflect.get(image, 'native')), own.key));
        yield image;
      }
      for (const { key, item } of waiting) if (!made.has(key)) yield item;
      const left = context.listing('owned.list', undefined, options, () =>
        exports.abandoned(context, options),
      );
      for await (const { container, createdAt, labels } of left)
        if (hasLabels(labels, filter.labels))
          yield { id: `${exportPrefix}${container}`, name: container, createdAt, labels };
    },

    async delete(id, options): Promise<void> {
      const call = (body: () => Promise<void>) => context.call('owned.delete', id, options, body);
      if (id.startsWith(importPrefix))
        await call(() => imports.remove(context, id.slice(importPrefix.length), options));
      else if (id.startsWith(exportPrefix))
        await call(() => exports.remove(id.slice(exportPrefix.length), options));
      else await images.delete(id, options);
    },
  };
}
