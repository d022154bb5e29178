import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

import {
  ImgkitError,
  throwIfAborted,
  type ExportedImage,
  type ExportImageRequest,
  type OperationControl,
  type Retrier,
} from '@imgkit/core';
import { exportDisk, fileError, ownName, writeAtomically } from '@imgkit/core/local';

import type { AzureContext } from '../context.ts';
import { formatId } from '../resources/resource-id.ts';
import { locateVersion } from '../versions/versions.ts';
import { openPublicBlob } from './blob-container.ts';
import { downloadDisk } from './disk-download.ts';
import { withReadableDisk } from './readable-disk.ts';

/** Writes an image to a file, by way of a disk that is made of it and removed again. */
export async function exportImage(
  context: AzureContext,
  retrier: Retrier,
  { image: id, to, format }: ExportImageRequest,
  control: OperationControl,
): Promise<ExportedImage> {
  const { signal, progress } = control;
  const image = formatId(locateVersion(id));
  await context.client.get(image, { signal });
  await requireFree(to);
  const task = { image, to };
  const onFetched = (fraction: number): void => progress('fetching the disk', fraction * 0.9);
  const fetchTo = (path: string, footer: boolean): Promise<void> =>
    withReadableDisk(context, task, control, async (address) => {
      await downloadDisk(await openPublicBlob(address, retrier), path, {
        footer,
        signal,
        onProgress: onFetched,
      });
    });
  if (format === 'raw' || format === 'azure-vhd')
    await writeAtomically(to, (temporary) => fetchTo(temporary, format === 'azure-vhd'));
  else {
    const raw = join(dirname(resolve(to)), ownName(`.${basename(to)}.`, '.raw'));
    try {
      await fetchTo(raw, false);
      const onProgress = (fraction: number): void => progress(`writing ${to}`, 0.9 + fraction / 10);
      await exportDisk({ path: raw, format: 'raw' }, to, { format, signal, onProgress });
    } finally {
      await rm(raw, { force: true });
    }
  }
  const [digest, { size: sizeBytes }] = [await digestOf(to, signal), await stat(to)];
  return { path: to, format, sizeBytes, digest };
}

async function requireFree(path: string): Promise<void> {
  const taken = await access(path).then(
    () => true,
    () => false,
  );
  if (taken)
    throw new ImgkitError('ALREADY_EXISTS', `${path} exists already`, {
      resource: path,
      hint: 'Remove it, or choose another name.',
    });
}

/** The digest of a file as `sha256:<hex>`. */
export async function digestOf(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20, signal }))
      hash.update(chunk);
  } catch (error) {
    throwIfAborted(signal);
    throw fileError(error, path);
  }
  return `sha256:${hash.digest('hex')}`;
}
