import type { OwnedCollection, OwnedItem } from '@imgkit/core';

import { properties as own, toLabels } from '../mapping.ts';
import type { CloudContext } from '../resources/context.ts';
import { hasLabels } from '../resources/rules.ts';
import type { ImageImports } from './image-imports.ts';

const prefix = 'imports/';

/**
 * Images together with what is on its way to become one: what a process leaves that ended before its image was
 * READY. Imports have ids like `imports/<digest>`, and come last: what a step made is its image, if there is one.
 */
export function imagesAndImports(
  context: CloudContext,
  images: OwnedCollection,
  imports: ImageImports | undefined,
): OwnedCollection {
  if (imports === undefined) return images;
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
          waiting.push({ key, item: { id: `${prefix}${key}`, name, createdAt, labels } });
      }
      const made = new Set<unknown>();
      for await (const image of images.list(filter, options)) {
        made.add(Reflect.get(Object(Reflect.get(image, 'native')), own.key));
        yield image;
      }
      for (const { key, item } of waiting) if (!made.has(key)) yield item;
    },

    async delete(id, options): Promise<void> {
      if (!id.startsWith(prefix)) {
        await images.delete(id, options);
        return;
      }
      await context.call('owned.delete', id, options, () =>
        imports.remove(context, id.slice(prefix.length), options),
      );
    },
  };
}
