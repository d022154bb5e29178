import type { CallOptions, Instance } from '@imgkit/core';

import { object, text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { toInstance } from '../mapping/instance.ts';
import type { ResourceKind } from '../resources/resource-calls.ts';

/** Machines among the kinds of resources. */
export function instanceKind({ provider, gallery }: AzureContext): ResourceKind<Instance> {
  return {
    what: 'instance',
    type: 'Microsoft.Compute/virtualMachines',
    capability: 'instances',
    made: 'launch',
    expand: 'instanceView',
    onlyNew: true,
    show: (native) => toInstance(native, provider, gallery),
  };
}

/**
 * Lists of machines don't say which of them run: that is asked once for the whole subscription.
 *
 * @returns what completes each of a list.
 */
export async function statusesIn(
  { client, settings }: AzureContext,
  options: CallOptions = {},
): Promise<(native: WireObject) => WireObject> {
  const { subscription } = settings;
  const views = new Map<string, WireObject>();
  const asked = { signal: options.signal, statusOnly: true };
  const type = 'Microsoft.Compute/virtualMachines';
  for await (const page of client.pages(type, { subscription }, asked))
    for (const native of page) {
      const view = object(native, 'instanceView');
      if (view !== undefined) views.set((text(native, 'id') ?? '').toLowerCase(), view);
    }
  return (native) => ({
    ...native,
    instanceView: views.get((text(native, 'id') ?? '').toLowerCase()),
  });
}
