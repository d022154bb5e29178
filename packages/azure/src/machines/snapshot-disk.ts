import type { LaunchRequest, OperationControl } from '@imgkit/core';

import type { AzureContext } from '../context.ts';
import { makeResource } from '../resources/resource-calls.ts';
import type { BootContent } from './boot.ts';
import type { AzureMachineOptions } from './machine-options.ts';

const gib = 2 ** 30;

/** Azure boots no machine from a snapshot: a disk is made of it first, once for a key. Its id; nothing where none is needed. */
export async function snapshotDisk(
  context: AzureContext,
  { boot, name, labels, bootDiskSizeBytes, idempotencyKey }: LaunchRequest,
  content: BootContent,
  { diskSku = 'StandardSSD_LRS', zone }: AzureMachineOptions,
  control: OperationControl,
): Promise<string | undefined> {
  if (boot.kind !== 'snapshot' || content.id === undefined) return undefined;
  const type = 'Microsoft.Compute/disks';
  const kind = {
    what: 'disk',
    type,
    capability: 'disks',
    show: () => ({ name: `${name}-os`, labels: labels ?? {} }),
  } as const;
  const body = {
    location: context.settings.location,
    sku: { name: diskSku },
    ...(zone === undefined ? {} : { zones: [zone] }),
    creationData: { createOption: 'Copy', sourceResourceId: content.id },
    ...(bootDiskSizeBytes === undefined ? {} : { diskSizeGB: Math.ceil(bootDiskSizeBytes / gib) }),
  };
  const creation = { name: `${name}-os`, labels, idempotencyKey, body };
  await makeResource(context, kind, creation, control);
  return context.id(type, `${name}-os`);
}
