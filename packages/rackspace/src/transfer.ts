import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';

import {
  ImgkitError,
  type CallOptions,
  type ExportedImage,
  type ExportImageRequest,
  type Image,
  type ImportImageRequest,
  type Operation,
  type OperationControl,
  type Transfer,
  type TransferTraits,
} from '@imgkit/core';

import type { GlanceImage } from './glance/glance-image.ts';
import { toImage } from './mapping.ts';
import type { CloudContext } from './resources/context.ts';
import { diskFormats } from './resources/disk-format.ts';
import { checkPlace, place } from './resources/export-place.ts';
import { Digests } from './resources/digests.ts';
import { fileSource, streamSource } from './resources/disk-source.ts';
import { writeFile } from './resources/disk-target.ts';
import { download } from './resources/download.ts';
import { visibleImage } from './resources/image-access.ts';
import { draftProperties, hiddenAs } from './resources/image-body.ts';
import { checkImageOptions } from './resources/image-options.ts';
import { makeImage } from './resources/image-creation.ts';
import { followImage } from './resources/image-waiting.ts';
import { knownDigest } from './resources/known-digest.ts';
import { checkImageRequest, invalid } from './resources/rules.ts';
import { membersOf } from './resources/sources.ts';
import { transferProgress } from './resources/transfer-progress.ts';
import { checkArrival, type Sent } from './resources/upload.ts';
import { diskUnit } from './vhd/vhd-writer.ts';

/**
 * Moves disk files in and out of Glance, as streams. Glance keeps a disk as it came: an image of a qcow2
 * file can only be exported as qcow2.
 */
export class RackspaceTransfer implements Transfer {
  readonly traits: TransferTraits;
  readonly #context: CloudContext;

  constructor(context: CloudContext) {
    this.#context = context;
    this.traits = {
      importFormats: diskFormats,
      ...(context.imports === undefined
        ? { exportFormats: ['raw'] }
        : { exportFormats: ['raw', 'vhd'], diskSizeMultiple: diskUnit }),
    };
    context.onResume('transfer.import', (id, options) =>
      context.operation('resume', id, options, (control) => {
        control.accepted(`transfer.import ${id}`);
        return followImage(context, id, control);
      }),
    );
  }

  import(request: ImportImageRequest, options?: CallOptions): Operation<Image> {
    const context = this.#context;
    const operation = 'transfer.import';
    return context.operation(operation, request.name, options, async (control) => {
      checkImageRequest(request);
      const { from, format, digest } = request;
      const { importFormats } = this.traits;
      const said = diskFormats.find((one) => one === format);
      if (format !== undefined && (said === undefined || !importFormats.includes(said)))
        throw new ImgkitError('UNSUPPORTED', `${format} is not imported`, {
          hint: `Use one of ${importFormats.join(', ')}.`,
        });
      if (digest !== undefined && !/^sha256:[\da-f]{64}$/.test(digest))
        throw invalid(
          `"${digest}" isn't a digest`,
          'Write it as sha256: and 64 hexadecimal digits.',
        );
      const disk =
        typeof from === 'string' ? await fileSource(from, said) : await streamSource(from, said);
      const body = {
        name: request.name,
        visibility: 'private',
        ...membersOf(disk.format),
        ...draftProperties(request, context.provider),
        ...(await hiddenAs(context, request, control.signal)),
      };
      const { stores, staged } = checkImageOptions(request.providerOptions);
      const data = { kind: 'upload', disk, digest, stores, staged } as const;
      return makeImage(context, { operation, request, body, data }, control);
    });
  }

  export(request: ExportImageRequest, options?: CallOptions): Operation<ExportedImage> {
    const context = this.#context;
    const { image, to, format } = request;
    return context.operation('transfer.export', image, options, async (control) => {
      const native = await visibleImage(context, image, control);
      if (context.exports !== undefined)
        return context.exports.export(context, native, { to, format }, control);
      const stored = diskFormats.find((one) => one === native.disk_format);
      if (format !== stored)
        throw new ImgkitError('UNSUPPORTED', `image "${image}" is not exported as ${format}`, {
          resource: image,
          hint: `It is kept as ${native.disk_format}: export it as that, and convert it with qemu-img.`,
        });
      const { status, storedBytes = 0 } = toImage(native, context);
      if (status !== 'READY' || native.status === 'deactivated')
        throw new ImgkitError('FAILED_PRECONDITION', `image "${image}" is ${native.status}`, {
          resource: image,
          hint: 'Only the data of an active image can be had.',
        });
      await checkPlace(to, storedBytes);
      const part = `${to}.${randomUUID().slice(0, 8)}.part`;
      try {
        const sent = await this.#save(native, part, control);
        checkArrival(native, sent);
        await place(part, to);
        return {
          path: to,
          format,
          sizeBytes: sent.sizeBytes,
          digest: `sha256:${sent.digests['sha256']}`,
        };
      } finally {
        await rm(part, { force: true });
      }
    });
  }

  async #save(image: GlanceImage, path: string, control: OperationControl): Promise<Sent> {
    const { signal, progress } = control;
    const tell = transferProgress(progress, `writing ${path}`, image.size ?? undefined);
    // What the caller is told; and where that isn't known before, what the cloud can be compared with.
    const compared = knownDigest(image) === undefined ? [image.os_hash_algo ?? 'md5'] : [];
    const digests = new Digests(['sha256', ...compared]);
    const stream = download(this.#context, image, { signal });
    const sizeBytes = await writeFile(path, stream, (piece, written) => {
      digests.update(piece);
      tell(written);
    });
    return { sizeBytes, digests: digests.end() };
  }
}
