import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  ImgkitError,
  type CallOptions,
  type DiskFormat,
  type ExportedImage,
  type ExportImageRequest,
  type Image,
  type Images,
  type ImportImageRequest,
  type Operation,
  type OperationControl,
  type Retrier,
  type Transfer,
  type TransferTraits,
} from '@imgkit/core';
import { ownName, removeAbandoned, writeSparse, type QemuDiskFormat } from '@imgkit/core/local';

import type { AzureContext } from './context.ts';
import { invalid } from './images/image-request.ts';
import { inspectDisk } from './transfer/disk-file.ts';
import { digestOf, exportImage } from './transfer/image-export.ts';

const importFormats: Readonly<Partial<Record<DiskFormat, QemuDiskFormat>>> = {
  raw: 'raw',
  qcow2: 'qcow2',
  vhd: 'vpc',
  'azure-vhd': 'vpc',
  vmdk: 'vmdk',
};
/** What the names of the directories of streams begin with. */
const streams = 'imgkit-azure-stream';

/**
 * Moves disk files into the gallery, through the storage account of the options, and images out of it, by way of a disk
 * that Azure gives to be read.
 */
export class AzureTransfer implements Transfer {
  readonly traits: TransferTraits = {
    importFormats: ['raw', 'qcow2', 'vhd', 'vmdk', 'azure-vhd'],
    exportFormats: ['raw', 'qcow2', 'vhd', 'vmdk', 'gce-tar', 'azure-vhd'],
    diskSizeMultiple: 2 ** 20,
  };
  readonly #context: AzureContext;
  readonly #images: Images;
  readonly #retrier: Retrier;

  constructor(context: AzureContext, images: Images, retrier: Retrier) {
    this.#context = context;
    this.#images = images;
    this.#retrier = retrier;
  }

  import(request: ImportImageRequest, options?: CallOptions): Operation<Image> {
    const { from, format, digest } = request;
    return this.#context.operation('transfer.import', request.name, options, async (control) => {
      const expected = format && importFormats[format];
      if (format !== undefined && expected === undefined)
        throw new ImgkitError('UNSUPPORTED', `${format} is not imported`, {
          hint: `Use one of ${this.traits.importFormats.join(', ')}.`,
        });
      if (digest !== undefined && !/^sha256:[\da-f]{64}$/.test(digest))
        throw invalid(
          `"${digest}" isn't a digest`,
          'Write it as sha256: and 64 hexadecimal digits.',
        );
      if (typeof from === 'string') return this.#importFile(from, expected, request, control);
      // Where a disk's data is, and what it is at all, its end may say.
      await removeAbandoned(tmpdir(), streams);
      const directory = join(tmpdir(), ownName(streams));
      await mkdir(directory, { mode: 0o700 });
      try {
        control.progress('taking the disk');
        const path = join(directory, 'disk');
        await writeSparse(path, from, { signal: control.signal });
        return await this.#importFile(path, expected, request, control);
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    });
  }

  export(request: ExportImageRequest, options?: CallOptions): Operation<ExportedImage> {
    const { image, format } = request;
    return this.#context.operation('transfer.export', image, options, async (control) => {
      if (!this.traits.exportFormats.includes(format))
        throw new ImgkitError('UNSUPPORTED', `images are not exported as ${format}`, {
          hint: `Use one of ${this.traits.exportFormats.join(', ')}.`,
        });
      return exportImage(this.#context, this.#retrier, request, control);
    });
  }

  async #importFile(
    path: string,
    expected: QemuDiskFormat | undefined,
    request: ImportImageRequest,
    control: OperationControl,
  ): Promise<Image> {
    const { digest } = request;
    await inspectDisk(path, expected);
    if (digest !== undefined) {
      const found = await digestOf(path, control.signal);
      if (found !== digest)
        throw new ImgkitError(
          'INVALID_ARGUMENT',
          `${path} has the digest ${found}, not ${digest}`,
          {
            resource: path,
            hint: 'It was changed or cut off on the way: fetch it again.',
          },
        );
    }
    const source = { kind: 'file', file: path } as const;
    const making = this.#images.create({ ...request, source }, { signal: control.signal });
    making.token().then(control.accepted, () => undefined);
    for await (const { message, fraction } of making) control.progress(message, fraction);
    return making;
  }
}
