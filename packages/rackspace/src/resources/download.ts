import { ImgkitError, type CallOptions } from '@imgkit/core';

import type { GlanceImage } from '../glance/glance-image.ts';
import type { CloudContext } from './context.ts';

/** How often in a row a connection may break before a byte has come over it. */
const maxBreaks = 5;
const firstPauseMs = 200;

/** The data of an image, from its beginning to its end: when the connection breaks, it goes on where it was. */
export async function* download(
  context: CloudContext,
  { id, size }: Pick<GlanceImage, 'id' | 'size'>,
  { signal }: CallOptions = {},
): AsyncGenerator<readonly Uint8Array[], void, undefined> {
  let from = 0;
  let breaks = 0;
  for (;;) {
    try {
      for await (const pieces of await context.glance.download(id, { from, signal })) {
        for (const { length } of pieces) from += length;
        breaks = 0;
        yield pieces;
      }
      if (from >= (size ?? 0)) return;
      throw new ImgkitError('UNAVAILABLE', `image "${id}" ended after ${from} of ${size} bytes`, {
        resource: id,
        hint: 'Try again later.',
      });
    } catch (error) {
      if (from > 0 && from === size) return;
      const isBroken = ImgkitError.is(error, 'UNAVAILABLE') || ImgkitError.is(error, 'TIMEOUT');
      if (!isBroken || (breaks += 1) > maxBreaks) throw error;
      await context.sleep(firstPauseMs * 2 ** (breaks - 1), signal);
    }
  }
}
