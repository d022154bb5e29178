import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import {
  ImgkitError,
  throwIfAborted,
  type CallOptions,
  type DiskFormat,
  type ExportedImage,
  type ExportImageRequest,
  type Image,
  type Images,
  type ImportImageRequest,
  type Operation,
  type OperationControl,
  type Transfer,
  type TransferTraits,
} from '@imgkit/core';

import type { GceContext } from './context.ts';
import { readImage } from './images/image-changes.ts';
import { fileError, readFormat, type UploadFormat } from './transfer/disk-file.ts';
import { checkDigest, readDisk } from './transfer/raw-disk.ts';

const uploadFormats: readonly UploadFormat[] = ['raw', 'gce-tar'];

/**
 * Uploads disk files, through the bucket of the options. Nothing comes out again: Google's API has no call for it, its
 * own tools boot a machine that copies the disk.
 */
export class GceTransfer implements Transfer {
  readonly traits: TransferTraits = {
    importFormats: uploadFormats,
    exportFormats: [],
    diskSizeMultiple: 2 ** 30,
  };
  readonly #context: GceContext;
  readonly #images: Images;

  constructor(context: GceContext, images: Images) {
    this.#context = context;
    this.#images = images;
  }

  import(request: ImportImageRequest, options?: CallOptions): Operation<Image> {
    const { from, format, digest } = request;
    return this.#context.operation('transfer.import', request.name, options, async (control) => {
      const expected = toUploadFormat(format);
      if (digest !== undefined && !/^sha256:[\da-f]{64}$/.test(digest)) {
        throw new ImgkitError('INVALID_ARGUMENT', `"${digest}" isn't a digest`, {
          hint: 'Write it as sha256: and 64 hexadecimal digits.',
        });
      }
      if (typeof from === 'string') return this.#importFile(from, expected, request, control);
      const directory = await mkdtemp(join(tmpdir(), 'imgkit-gce-'));
      try {
        // An archive says first how long the disk in it is, which a stream doesn't.
        const path = join(directory, 'disk');
        await keepStream(from, path, control);
        return await this.#importFile(path, expected, request, control);
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    });
  }

  export(request: ExportImageRequest, options?: CallOptions): Operation<ExportedImage> {
    const { image, format } = request;
    return this.#context.operation('transfer.export', image, options, async ({ signal }) => {
      await readImage(this.#context, image, { signal });
      throw new ImgkitError('UNSUPPORTED', `images can't be exported from Google as ${format}`, {
        hint: 'Its API has no call for it. Use: gcloud compute images export, which boots a machine that copies the disk to a bucket.',
      });
    });
  }

  async #importFile(
    path: string,
    expected: UploadFormat | undefined,
    request: ImportImageRequest,
    control: OperationControl,
  ): Promise<Image> {
    const { digest } = request;
    await readFormat(path, expected);
    if (digest !== undefined) {
      const { signal } = control;
      checkDigest(path, (await readDisk(path, { signal })).digest, digest);
    }
    const source = { kind: 'file', file: path } as const;
    const making = this.#images.create({ ...request, source }, { signal: control.signal });
    making.token().then(control.accepted, () => undefined);
    for await (const { message, fraction } of making) control.progress(message, fraction);
    return making;
  }
}

function toUploadFormat(format: DiskFormat | undefined): UploadFormat | undefined {
  if (format === undefined) return undefined;
  const known = uploadFormats.find((one) => one === format);
  if (known !== undefined) return known;
  throw new ImgkitError('UNSUPPORTED', `${format} is not imported`, {
    hint: `Use one of ${uploadFormats.join(', ')}; qemu-img convert -O raw makes a raw disk of most others.`,
  });
}

async function keepStream(
  stream: AsyncIterable<Uint8Array>,
  path: string,
  { signal, progress }: OperationControl,
): Promise<void> {
  progress('taking the disk');
  try {
    await pipeline(stream, createWriteStream(path, { mode: 0o600 }), { signal });
  } catch (error) {
    throwIfAborted(signal);
    throw fileError(error, path);
  }
}
