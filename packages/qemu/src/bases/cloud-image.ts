import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';

import { ImgkitError } from '@imgkit/core';
import { convert, detectFormat, measureCopy, requireSpace } from '@imgkit/core/local';

import { fileError } from '../errors.ts';
import type { BaseBuilder } from './base-image.ts';
import {
  buildOnce,
  fileDigest,
  recipeDigest,
  requireDigest,
  type Recipe,
  type Workshop,
} from './build-cache.ts';
import { download, requireEqual } from './download.ts';
import { requirePrograms } from './programs.ts';

/** A cloud image that somebody else made. */
export type CloudImageOptions = (
  | {
      /** Where to download it: an `https:`, `http:` or `file:` URL. */
      readonly url: string;
      /** Its SHA-256 in hex, as its publisher states it. */
      readonly sha256: string;
      readonly file?: undefined;
    }
  | {
      /** The path of a qcow2, raw, VHD or VMDK file. It is read, and never changed. */
      readonly file: string;
      /** Its SHA-256 in hex; without it, the file is taken as it is. */
      readonly sha256?: string | undefined;
      readonly url?: undefined;
    }
) & {
  /** The user to log in as; `root` by default. */
  readonly defaultUser?: string | undefined;
};

/**
 * A base image from any cloud image that boots by BIOS and reads a NoCloud seed, as those of
 * Debian, Ubuntu, Fedora and others do.
 *
 * A file is imported as it was when `build` read it; its format is told by its content. One that
 * refers to other files, such as a backing file, is refused.
 */
export function cloudImage(options: CloudImageOptions): BaseBuilder {
  const source = options.url === undefined ? resolve(options.file) : requireUrl(options.url);
  const stated = options.sha256 === undefined ? undefined : requireDigest(options.sha256);
  const name = basename(source instanceof URL ? source.pathname : source);
  const description = `the cloud image ${name}`;
  const recipe = (sha256: string): Recipe => ({
    kind: 'cloud-image',
    description,
    defaultUser: options.defaultUser ?? 'root',
    digest: recipeDigest(['cloud-image', 1, sha256, options.defaultUser ?? 'root']),
    requiredBytes: 0,
    make: (workshop) => makeCloudImage(workshop, source, sha256),
  });
  return {
    kind: 'cloud-image',
    description,
    async build(directory, build = {}) {
      if (stated !== undefined) return await buildOnce(directory, recipe(stated), build);
      build.onProgress?.({ phase: 'computing the checksum' });
      const found = await fileDigest(String(source), build.signal);
      return await buildOnce(directory, recipe(found), build);
    },
  };
}

async function makeCloudImage(
  workshop: Workshop,
  source: URL | string,
  sha256: string,
): Promise<string> {
  const { directory, signal, report } = workshop;
  await requirePrograms(['qemu-img']);
  const image = join(directory, 'disk.qcow2');
  if (typeof source === 'string') {
    const before = await signature(source);
    report({ phase: 'computing the checksum' });
    requireEqual(await fileDigest(source, signal), sha256, source);
    await importDisk(source, image, workshop);
    if ((await signature(source)) !== before) {
      throw new ImgkitError('FAILED_PRECONDITION', `${source} was changed while it was read`, {
        resource: source,
        hint: 'Wait until nobody writes to it, then try again.',
      });
    }
    return image;
  }
  const phase = 'downloading';
  report({ phase });
  const target = join(directory, 'download');
  const onProgress = (fraction: number): void => report({ phase, fraction });
  await download({ url: source, target, sha256, signal, onProgress });
  if ((await detectFormat(target)) === 'qcow2') return target;
  await importDisk(target, image, workshop);
  return image;
}

async function importDisk(from: string, to: string, workshop: Workshop): Promise<void> {
  const { directory, signal, report } = workshop;
  const format = await detectFormat(from);
  await requireSpace(directory, await measureCopy(from, format, { signal }));
  const phase = 'converting';
  report({ phase });
  const onProgress = (fraction: number): void => report({ phase, fraction });
  await convert(from, to, { from: format, to: 'qcow2', signal, onProgress });
}

async function signature(path: string): Promise<string> {
  try {
    const { size, mtimeMs, ino } = await stat(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch (error) {
    throw fileError(error, path);
  }
}

function requireUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && ['http:', 'https:', 'file:'].includes(url.protocol)) return url;
  throw new ImgkitError(
    'INVALID_ARGUMENT',
    'the url of a cloud image must be http, https or file',
    {
      hint: 'Give an address such as https://example.org/image.qcow2, or a path as file.',
    },
  );
}
