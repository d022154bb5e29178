import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { resolve } from 'node:path';

import {
  ImgkitError,
  ownershipLabels,
  throwIfAborted,
  type Disk,
  type OperationControl,
} from '@imgkit/core';

import { text } from '../api/wire.ts';
import { tokenOf, type AzureContext } from '../context.ts';
import { toDisk } from '../mapping/disk.ts';
import { makeResource, type ResourceKind } from '../resources/resource-calls.ts';
import { temporaryLabels } from '../resources/temporary-labels.ts';

/** How long the bytes of a disk can be read, and how long what a killed process leaves is kept, in seconds. */
const readableSeconds = 24 * 60 * 60;
/** What the runs of exports are called in the labels of their disks. */
const runName = 'export-';

/** What of an image is exported, and to where. */
export interface ExportTask {
  /** The id of the version. */
  readonly image: string;
  /** The path of the file. */
  readonly to: string;
}

/**
 * Makes a disk of an image, and an address where its bytes can be read, for as long as `read` works. Both go at the end,
 * whatever it comes to. What a killed process leaves is taken over by the next export of the image to the file; or a
 * sweep finds it by its labels once it has expired.
 */
export async function withReadableDisk<T>(
  context: AzureContext,
  { image, to }: ExportTask,
  { signal, progress }: OperationControl,
  read: (address: string) => Promise<T>,
): Promise<T> {
  const place = `${image.toLowerCase()} ${hostname()} ${resolve(to)}`;
  const digest = createHash('sha256').update(place).digest('hex').slice(0, 20);
  const name = `imgkit-export-${digest}`;
  const kind = diskKind(context);
  const id = context.id(kind.type, name);
  const labels = await temporaryLabels(context, {
    run: `${runName}${digest}`,
    seconds: readableSeconds,
  });
  // Without a size: it gets that of the image.
  const body = {
    location: context.settings.location,
    sku: { name: 'Standard_LRS' },
    creationData: { createOption: 'FromImage', galleryImageReference: { id: image } },
  };
  // What takes Azure seconds isn't left half done: whether there is something to remove must be known.
  const whole = { signal: new AbortController().signal, accepted: () => undefined, progress };
  try {
    progress('making a disk of the image', 0);
    await makeResource(context, kind, { name, labels, idempotencyKey: place, body }, whole);
    throwIfAborted(signal);
    const address = await grantRead(context, id);
    throwIfAborted(signal);
    return await read(address);
  } finally {
    await removeReadable(context, id);
  }
}

/** A disk as those who export see it. */
function diskKind({ provider, gallery }: AzureContext): ResourceKind<Disk> & {
  readonly type: 'Microsoft.Compute/disks';
} {
  return {
    what: 'disk',
    type: 'Microsoft.Compute/disks',
    capability: 'disks',
    show: (native) => toDisk(native, provider, gallery),
  };
}

async function grantRead(context: AzureContext, id: string): Promise<string> {
  const body = { access: 'Read', durationInSeconds: readableSeconds };
  const { operation, output } = await context.client.act(id, 'beginGetAccess', body);
  const end =
    operation === undefined
      ? { output }
      : await context.waitFor(quiet(), tokenOf('disks.read', operation, id));
  const address = text(end.output, 'accessSAS');
  if (address !== undefined) return address;
  throw new ImgkitError('PROTOCOL', `Azure gives no address to read the disk at`, { resource: id });
}

/** Whether a disk was made to be read by an export. */
export function isReadable({ labels }: Pick<Disk, 'labels'>): boolean {
  return labels[ownershipLabels.run]?.startsWith(runName) === true;
}

/** Takes back who may read a disk, and removes it. Azure refuses to remove one that may be read. */
export async function removeReadable(context: AzureContext, id: string): Promise<void> {
  try {
    const { operation } = await context.client.act(id, 'endGetAccess');
    if (operation !== undefined)
      await context.waitFor(quiet(), tokenOf('disks.read', operation, id));
  } catch (error) {
    if (!ImgkitError.is(error, 'NOT_FOUND')) throw error;
  }
  const deletion = await context.client.delete(id);
  if (deletion !== undefined) await context.waitFor(quiet(), tokenOf('disks.delete', deletion, id));
}

function quiet(): Pick<OperationControl, 'signal' | 'accepted'> {
  return { signal: new AbortController().signal, accepted: () => undefined };
}
