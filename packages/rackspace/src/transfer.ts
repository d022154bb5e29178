import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { link, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';

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

import { toImage } from './mapping.ts';
import type { CloudContext } from './resources/context.ts';
import { diskFormats } from './resources/disk-format.ts';
import { fileSource, streamSource } from './resources/disk-source.ts';
import { visibleImage } from './resources/image-access.ts';
import { draftProperties, hiddenAs } from './resources/image-body.ts';
import { makeImage } from './resources/image-creation.ts';
import { followImage } from './resources/image-waiting.ts';
import { checkImageRequest, invalid } from './resources/rules.ts';
import { membersOf } from './resources/sources.ts';
import { checkArrival } from './resources/upload.ts';

/**
 * Moves disk files in and out of Glance, as streams. Glance keeps a disk as it came: an image of a qcow2
 * file can only be exported as qcow2.
 */
export class RackspaceTransfer implements Transfer {
  readonly traits: TransferTraits = { importFormats: diskFormats, exportFormats: ['raw'] };
  readonly #context: CloudContext;

  constructor(context: CloudContext) {
    this.#context = context;
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
      const said = diskFormats.find((one) => one === format);
      if (format !== undefined && said === undefined)
        throw new ImgkitError('UNSUPPORTED', `${format} is not imported`, {
          hint: `Use one of ${diskFormats.join(', ')}.`,
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
      const data = { kind: 'upload', disk, digest } as const;
      return makeImage(context, { operation, request, body, data }, control);
    });
  }

  export(request: ExportImageRequest, options?: CallOptions): Operation<ExportedImage> {
    const context = this.#context;
    const { image, to, format } = request;
    return context.operation('transfer.export', image, options, async (control) => {
      const native = await visibleImage(context, image, control);
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
        const sent = await this.#save(image, part, storedBytes, control);
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

  async #save(image: string, path: string, total: number, control: OperationControl) {
    const { signal, progress } = control;
    const names = ['sha256', 'sha512', 'md5'];
    const hashes = names.map((name) => createHash(name));
    let sizeBytes = 0;
    const bytes = await this.#context.glance.download(image, { signal });
    await pipeline(
      bytes,
      async function* digested(chunks: AsyncIterable<Uint8Array>) {
        for await (const chunk of chunks) {
          for (const hash of hashes) hash.update(chunk);
          sizeBytes += chunk.length;
          progress(`writing ${path}`, total > 0 ? Math.min(1, sizeBytes / total) : undefined);
          yield chunk;
        }
      },
      createWriteStream(path, { flags: 'wx', mode: 0o600 }),
      { signal },
    );
    const digests = hashes.map((hash, index) => [names[index], hash.digest('hex')]);
    return { sizeBytes, digests: Object.fromEntries(digests) };
  }
}

/** Before anything is asked of the cloud. */
async function checkPlace(to: string, needed: number): Promise<void> {
  const standing = await stat(to).catch(() => undefined);
  if (standing !== undefined) throw taken(to);
  const space = await statfs(dirname(to)).catch((cause: unknown) => {
    throw new ImgkitError('NOT_FOUND', `there is no directory ${dirname(to)}`, {
      resource: to,
      hint: 'Make it first.',
      cause,
    });
  });
  if (space.bavail * space.bsize < needed)
    throw new ImgkitError('QUOTA_EXCEEDED', `${to} needs ${needed} bytes`, {
      resource: to,
      hint: 'Free some space, or use a directory on a larger disk.',
    });
}

/** A link, unlike a renaming, never replaces a file. */
async function place(part: string, to: string): Promise<void> {
  try {
    await link(part, to);
  } catch (error) {
    const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
    throw code === 'EEXIST' ? taken(to) : error;
  }
}

function taken(to: string): ImgkitError {
  return new ImgkitError('ALREADY_EXISTS', `${to} exists already`, {
    resource: to,
    hint: 'Choose another path, or remove the file.',
  });
}
