import { createHash } from 'node:crypto';

import {
  ImgkitError,
  type CallOptions,
  type DiskFormat as ContractFormat,
  type ExportedImage,
  type ExportImageRequest,
  type Image,
  type ImportImageRequest,
  type Operation,
  type Transfer,
  type TransferTraits,
} from '@imgkit/core';
import { detectFormat, type QemuDiskFormat, exportDisk } from '@imgkit/core/local';

import type { LocalContext } from './resources/context.ts';
import { create, resumeCreation } from './resources/creation.ts';
import { checkImage, draftImage, finishedImage } from './resources/image-creation.ts';
import { visibleImage } from './resources/image-access.ts';
import { imageKind } from './resources/kinds.ts';
import { invalid } from './resources/rules.ts';
import { notReady } from './resources/access.ts';
import { hashFile, type StageOptions } from './store/blob-store.ts';
import type { StagedBlob } from './store/blob-store.ts';
import type { LocalStore } from './store/local-store.ts';

const importFormats: Readonly<Partial<Record<ContractFormat, QemuDiskFormat>>> = {
  raw: 'raw',
  qcow2: 'qcow2',
  vhd: 'vpc',
  'azure-vhd': 'vpc',
  vmdk: 'vmdk',
};

/** Moves disk files in and out of the store, sparse files as such. */
export class QemuTransfer implements Transfer {
  readonly traits: TransferTraits = {
    importFormats: ['raw', 'qcow2', 'vhd', 'vmdk', 'azure-vhd'],
    exportFormats: ['raw', 'qcow2', 'vhd', 'vmdk', 'gce-tar', 'azure-vhd'],
  };
  readonly #context: LocalContext;

  constructor(context: LocalContext) {
    this.#context = context;
    const creation = { operation: 'transfer.import', kind: imageKind };
    resumeCreation(
      context,
      creation,
      ({ importRequest }) => importRequest,
      (request, again) => this.import(request, again),
    );
  }

  import(request: ImportImageRequest, options?: CallOptions): Operation<Image> {
    const context = this.#context;
    const { from, format, digest } = request;
    const expected = format && importFormats[format];
    const isFile = typeof from === 'string';
    return create(
      context,
      {
        operation: 'transfer.import',
        kind: imageKind,
        request,
        check: () => {
          checkImage(request);
          if (format !== undefined && expected === undefined)
            throw new ImgkitError('UNSUPPORTED', `${format} is not imported`, {
              hint: `Use one of ${this.traits.importFormats.join(', ')}.`,
            });
          if (digest !== undefined && !/^sha256:[\da-f]{64}$/.test(digest))
            throw invalid(
              `"${digest}" isn't a digest`,
              'Write it as sha256: and 64 hexadecimal digits.',
            );
        },
        prepare: async () => {
          if (isFile) await detectFormat(from, expected);
          const id = isFile ? from.slice(from.lastIndexOf('/') + 1) : 'stream';
          return { origin: { kind: 'file' as const, id } };
        },
        // A stream can't be read again by another process; a file can.
        draft: (source) => ({
          ...draftImage(context, request, source),
          importRequest: isFile ? request : undefined,
        }),
        make: async (store, _source, record, { signal, progress }) => {
          const onProgress = (fraction: number): void => progress('importing the disk', fraction);
          const stage = { signal, onProgress, expected };
          const blob = isFile
            ? await stageFile(store, from, digest, stage)
            : await stageStream(store, from, digest, stage);
          const { virtualSize } = blob;
          const disk = { digest: blob.digest, virtualSize, staged: [blob] };
          return finishedImage(store, record, disk, request);
        },
      },
      options,
    );
  }

  export(request: ExportImageRequest, options?: CallOptions): Operation<ExportedImage> {
    const context = this.#context;
    const { image, to, format } = request;
    return context.operation('transfer.export', image, options, async (store, control) => {
      if (!this.traits.exportFormats.includes(format))
        throw new ImgkitError('UNSUPPORTED', `images are not exported as ${format}`, {
          hint: `Use one of ${this.traits.exportFormats.join(', ')}.`,
        });
      const { doc, state } = visibleImage(context, store, image);
      if (state !== 'READY' || doc.digest === undefined) throw notReady('image', image);
      const { signal, progress } = control;
      const source = { path: store.blobs.path(doc.digest), format: 'qcow2' } as const;
      const onProgress = (fraction: number): void => progress(`writing ${to}`, fraction);
      await exportDisk(source, to, { format, signal, onProgress, freeSpace: context.freeSpace });
      const { digest, size } = await hashFile(to);
      return { path: to, format, sizeBytes: size, digest: `sha256:${digest}` };
    });
  }
}

type Stage = StageOptions & { readonly expected: QemuDiskFormat | undefined };

async function stageFile(
  store: LocalStore,
  path: string,
  digest: string | undefined,
  stage: Stage,
): Promise<StagedBlob> {
  if (digest !== undefined) {
    const found = await hashFile(path, stage.signal);
    checkDigest(path, `sha256:${found.digest}`, digest);
  }
  return store.blobs.stageFile(path, stage);
}

async function stageStream(
  store: LocalStore,
  stream: AsyncIterable<Uint8Array>,
  digest: string | undefined,
  stage: Stage,
): Promise<StagedBlob> {
  const hash = createHash('sha256');
  async function* hashed(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of stream) {
      hash.update(chunk);
      yield chunk;
    }
    // At the end, before anything is made of what came.
    if (digest !== undefined) checkDigest('the stream', `sha256:${hash.digest('hex')}`, digest);
  }
  return store.blobs.stageStream(hashed(), stage);
}

function checkDigest(what: string, found: string, expected: string): void {
  if (found === expected) return;
  throw new ImgkitError('INVALID_ARGUMENT', `${what} has the digest ${found}, not ${expected}`, {
    resource: what,
    hint: 'It was changed or cut off on the way: fetch it again.',
  });
}
