import { createHash } from 'node:crypto';

import type { GlanceImage } from '../glance/glance-image.ts';
import { hasInherited, properties } from '../mapping.ts';
import type { CloudContext } from './context.ts';

/** What an idempotency key is kept as, where the cloud chooses the ids of images. */
export function keyDigest(project: string, key: string): string {
  return createHash('sha256')
    .update(JSON.stringify([project, key]))
    .digest('hex');
}

/** The image that was made with a key; of two that were made at the same time, the older one. */
export async function imageWithKey(
  context: CloudContext,
  digest: string,
  signal: AbortSignal | undefined,
): Promise<GlanceImage | undefined> {
  const hides = await context.glance.canHide({ signal });
  for (const hidden of hides ? ['false', 'true'] : [undefined]) {
    const query = new URLSearchParams({ owner: context.project, [properties.key]: digest });
    if (hidden !== undefined) query.set('os_hidden', hidden);
    const { images } = await context.glance.page(query, { signal });
    const found = images
      .filter((image) => !hasInherited(image))
      .toSorted((a, b) => order(a).localeCompare(order(b)))[0];
    if (found !== undefined) return found;
  }
  return undefined;
}

function order({ created_at: at, id }: GlanceImage): string {
  return `${at} ${id}`;
}
