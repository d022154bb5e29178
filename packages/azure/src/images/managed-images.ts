import type { CallOptions, Image } from '@imgkit/core';

import { number, object, text, textMap } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { statusOf } from '../mapping.ts';
import { formatId, type ResourceId } from '../resources/resource-id.ts';
import { fromTags } from '../resources/tags.ts';

const gib = 2 ** 30;

/** Reads a managed image: the older kind, of one region, which imgkit uses and never makes. */
export async function readManagedImage(
  { client, provider }: AzureContext,
  id: ResourceId,
  options?: CallOptions,
): Promise<Image> {
  const native = await client.get(formatId(id), options);
  return {
    ref: { provider, id: formatId(id) },
    name: text(native, 'name') ?? id.names[0] ?? '',
    project: id.subscription,
    published: false,
    status: statusOf(native),
    deprecation: { state: 'ACTIVE' },
    // Azure doesn't tell.
    createdAt: new Date(0).toISOString(),
    diskSizeBytes:
      (number(object(object(native, 'storageProfile'), 'osDisk'), 'diskSizeGB') ?? 0) * gib,
    labels: fromTags(textMap(native, 'tags')),
    native,
  };
}
