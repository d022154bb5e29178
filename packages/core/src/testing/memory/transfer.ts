import { createHash, randomUUID } from 'node:crypto';
import { link, open, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { startOperation } from '../../plugin/operation.ts';
import type {
  ImportImageRequest,
  ExportImageRequest,
  ExportedImage,
  Transfer,
} from '../../spec/capabilities/transfer.ts';
import { ImgkitError } from '../../spec/errors.ts';
import type { MemoryContext } from './context.ts';
import type { Content } from './content.ts';
import { beginCreation } from './creation.ts';
import { visibleImage } from './image-access.ts';
import { imageCreation, imageKind } from './images.ts';
import { checkRaw, readRawFile, type ResolvedSource } from './sources.ts';

/** Moves raw disk files in and out of a memory cloud. */
export function memoryTransfer(context: MemoryContext): Transfer {
  const { transfer: traits } = context.cloud.traits;
  return {
    traits,
    import: (request, options = {}) =>
      context.operation('transfer.import', request.name, options, (signal) => {
        if (request.format !== undefined) checkFormat(request.format, traits.importFormats);
        const creation = imageCreation(context, request, (stop) => readUpload(request, stop));
        return beginCreation(context, 'transfer.import', imageKind(context), creation, signal);
      }),
    export: (request, options = {}) =>
      startOperation(async ({ signal, progress }) => {
        progress(`writing ${request.to}`, 0);
        const exported = await context.call('transfer.export', request.image, { signal }, () => {
          checkFormat(request.format, traits.exportFormats);
          return writeExport(request, visibleImage(context, request.image).content, signal);
        });
        progress(`wrote ${request.to}`, 1);
        return exported;
      }, options),
  };
}

function checkFormat(format: string, known: readonly string[]): void {
  if (known.includes(format)) return;
  throw new ImgkitError('UNSUPPORTED', `disk files of the format ${format} aren't taken here`, {
    hint: `Use one of these: ${known.join(', ')}.`,
  });
}

/** Reads a whole upload into memory. */
async function readUpload(
  { from, name, digest }: ImportImageRequest,
  signal: AbortSignal,
): Promise<ResolvedSource> {
  const what = typeof from === 'string' ? basename(from) : name;
  const content =
    typeof from === 'string' ? await readRawFile(from, signal) : await readStream(from, signal);
  checkRaw(what, content.data);
  const actual = `sha256:${createHash('sha256').update(content.data).digest('hex')}`;
  if (digest !== undefined && digest !== actual) {
    throw new ImgkitError('INVALID_ARGUMENT', `"${what}" has the digest ${actual}, not ${digest}`, {
      resource: what,
      hint: 'Fetch the file again; it is not what was meant.',
    });
  }
  return { content, origin: { kind: 'file', id: what } };
}

async function readStream(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<Content> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    parts.push(chunk);
  }
  const data = Buffer.concat(parts);
  return { data, sizeBytes: data.length };
}

const zeros = new Uint8Array(1 << 20);

/** Writes a disk to a file beside the wanted one, which gets its name when it is whole. */
async function writeExport(
  { to, format }: ExportImageRequest,
  { data, sizeBytes }: Content,
  signal: AbortSignal,
): Promise<ExportedImage> {
  const draft = `${to}.${randomUUID()}.part`;
  const hash = createHash('sha256').update(data);
  try {
    const file = await open(draft, 'wx');
    try {
      await file.writeFile(data, { signal });
      await file.truncate(sizeBytes);
      for (let left = sizeBytes - data.length; left > 0; left -= zeros.length) {
        signal.throwIfAborted();
        hash.update(zeros.subarray(0, left));
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await link(draft, to);
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'EEXIST') throw error;
    throw new ImgkitError('ALREADY_EXISTS', `"${to}" exists already`, {
      resource: to,
      hint: 'Choose another file, or remove that one.',
      cause: error,
    });
  } finally {
    await rm(draft, { force: true });
  }
  return { path: to, format, sizeBytes, digest: `sha256:${hash.digest('hex')}` };
}
