import { ImgkitError, type CallOptions, type ImageSource } from '@imgkit/core';

import type { GlanceImage } from '../glance/glance-image.ts';
import type { PieceStream } from '../http/answer-stream.ts';
import { isOurs } from '../mapping.ts';
import type { CloudContext } from './context.ts';
import { detectFormat, diskFormats, headBytes, padded, type GlanceFormat } from './disk-format.ts';
import { fileSource } from './disk-source.ts';
import { download } from './download.ts';
import { usableImage } from './image-access.ts';
import type { Inheritance } from './image-body.ts';
import type { ImageData } from './image-filling.ts';
import type { RackspaceImageOptions } from './image-options.ts';
import { invalid } from './rules.ts';

/** What a new image is made of, looked up and checked. */
export interface PreparedSource {
  readonly data: ImageData;
  readonly inheritance?: Inheritance | undefined;
  /** Standard members of the new image. */
  readonly members: Readonly<Record<string, string | number>>;
}

/** A disk file: a path on this machine, or an address that the cloud fetches it from. */
export async function preparedFile(
  context: CloudContext,
  file: string,
  { diskFormat, stores, staged }: RackspaceImageOptions,
  options?: CallOptions,
): Promise<PreparedSource> {
  if (!/^https?:\/\//.test(file)) {
    const disk = await fileSource(file, diskFormat);
    return { data: { kind: 'upload', disk, stores, staged }, members: membersOf(disk.format) };
  }
  const methods = await context.glance.importMethods(options);
  if (!methods.includes('web-download'))
    throw new ImgkitError('UNSUPPORTED', 'this cloud doesn’t fetch disk files', {
      hint: 'Download the file, and give its path.',
    });
  const format = diskFormat ?? (await remoteFormat(file, options));
  return { data: { kind: 'download', uri: file, stores }, members: membersOf(format) };
}

/** The format of a file at an address, if it can be reached from here too. */
async function remoteFormat(url: string, { signal }: CallOptions = {}): Promise<GlanceFormat> {
  const place = new URL(url);
  const where = `${place.host}${place.pathname}`;
  try {
    const response = await fetch(url, {
      headers: { range: `bytes=0-${headBytes - 1}` },
      signal: AbortSignal.any([AbortSignal.timeout(30_000), ...(signal ? [signal] : [])]),
    });
    if (response.ok && response.body !== null) {
      const chunks: Uint8Array[] = [];
      let length = 0;
      for await (const chunk of response.body) {
        chunks.push(chunk);
        length += chunk.length;
        if (length >= headBytes) break;
      }
      return detectFormat(padded(Buffer.concat(chunks).subarray(0, headBytes)));
    }
    await response.body?.cancel();
    if (response.status === 404)
      throw new ImgkitError('NOT_FOUND', `there is nothing at ${where}`, { resource: where });
  } catch (error) {
    if (ImgkitError.is(error) || signal?.aborted === true) throw error;
  }
  throw invalid(
    `the format of ${where} can't be found out from here`,
    `Say it: providerOptions: { diskFormat: '${diskFormats.join("' | '")}' }.`,
  );
}

/** Another image: Glance copies none, so its bytes go through here, as a stream. */
export async function preparedImage(
  context: CloudContext,
  source: ImageSource & { readonly kind: 'image' },
  { stores, staged }: RackspaceImageOptions,
  options?: CallOptions,
): Promise<PreparedSource> {
  const image = await usableImage(context, source.image, options);
  const { id, disk_format: format, container_format: container, size } = image;
  const members = {
    disk_format: format ?? 'raw',
    container_format: container ?? 'bare',
    ...(image.min_disk && { min_disk: image.min_disk }),
    ...(typeof image['min_ram'] === 'number' && { min_ram: image['min_ram'] }),
  };
  const disk = {
    format: diskFormats.find((one) => one === format) ?? 'raw',
    sizeBytes: size ?? undefined,
    isRepeatable: true,
    open: async (at?: CallOptions) => single(download(context, image, at)),
  };
  return {
    data: { kind: 'upload', disk, stores, staged },
    inheritance: { parent: id, properties: copied(image) },
    members,
  };
}

/** Standard members, and what a service keeps for itself: neither is anybody's to copy. */
const notCopied =
  /^(?:id|name|status|visibility|owner|size|virtual_size|min_disk|min_ram|disk_format|container_format|checksum|protected|tags|created_at|updated_at|self|file|schema|stores|locations|direct_url|os_hidden|os_hash_.*|os_glance_.*|instance_uuid|boot_roles|org\.openstack__1__created-by|base_image_ref|image_type|image_location|image_state|user_id|owner_.*|signature_verified)$/;

/** What a copy takes over: how machines are made of the image, and nothing of its life. */
function copied(image: GlanceImage): Record<string, string> {
  const entries = Object.entries(image).flatMap(([name, value]) =>
    typeof value === 'string' && !isOurs(name) && !notCopied.test(name) && name !== 'description'
      ? [[name, value] as const]
      : [],
  );
  return Object.fromEntries(entries);
}

/** The standard members for a single disk file. */
export function membersOf(format: GlanceFormat): Record<string, string> {
  return { disk_format: format, container_format: 'bare' };
}

async function* single(stream: PieceStream): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const pieces of stream) yield* pieces;
}
