import { ImgkitError } from '@imgkit/core';
import { basename, resolve } from 'node:path';
import {
  checkExactlyOne,
  checkMembers,
  checkReadable,
  checkText,
  checkWholeNumber,
  invalid,
} from '../check.ts';
import { parseDuration, type Duration } from '../duration.ts';
import type { Machine, Provisioner, ProvisionContext } from '../provisioner.ts';

/** What {@link file} carries, and where to. */
export interface FileOptions {
  /** `upload` (the default) carries it into the guest, `download` out of it. */
  readonly direction?: 'upload' | 'download' | undefined;
  /** The path of the file: a local one for an upload, an absolute one in the guest for a download. */
  readonly source?: string | undefined;
  /** For an upload: the content itself, instead of `source`. */
  readonly content?: string | Uint8Array | undefined;
  /** Where it shall be: for an upload an absolute path in the guest, where a directory takes it under its own name; for a download a local path. */
  readonly destination: string;
  /** For an upload: the permission bits. Default: `0o644`. */
  readonly mode?: number | undefined;
  /** How long it may take. Default: two hours. */
  readonly timeout?: Duration | undefined;
}

/**
 * Carries one file into the guest or out of it. The file appears at its place whole or not at all.
 *
 * @example
 * ```ts
 * import { file } from '@imgkit/bake';
 *
 * const site = file({ content: 'server_tokens off;\n', destination: '/etc/nginx/conf.d/tokens.conf' });
 * const log = file({ direction: 'download', source: '/var/log/dpkg.log', destination: './dpkg.log' });
 * console.log(site.label, log.label);
 * ```
 */
export function file(options: FileOptions): Provisioner {
  const upload = options.direction !== 'download';
  const local = upload && typeof options.source === 'string' ? resolve(options.source) : undefined;
  return {
    kind: 'file',
    label: upload ? `upload ${options.destination}` : `download ${options.source}`,
    settings: {
      direction: upload ? 'upload' : 'download',
      // A local path says nothing about the image: the digest of the file does.
      ...(upload
        ? { name: local === undefined ? '' : basename(local), destination: options.destination }
        : { source: options.source ?? '' }),
      content: options.content === undefined ? '' : Buffer.from(options.content).toString('base64'),
      mode: options.mode ?? 0o644,
    },
    files: local === undefined ? [] : [local],
    timeoutMs:
      options.timeout === undefined ? undefined : parseDuration(options.timeout, 'timeout'),
    check: (path) => check(options, path),
    run: (machine, context) => run(options, machine, context),
  };
}

function check(options: FileOptions, path: string): void {
  checkMembers(options, path, ['direction', 'source', 'content', 'destination', 'mode', 'timeout']);
  const { direction = 'upload' } = options;
  if (!['upload', 'download'].includes(direction))
    throw invalid(
      `${path}.direction`,
      `${JSON.stringify(direction)} is neither upload nor download`,
    );
  checkText(options.destination, `${path}.destination`);
  checkWholeNumber(options.mode, `${path}.mode`, 0, 0o7777);
  if (direction === 'download') {
    checkAbsolute(options.source, `${path}.source`);
    if (options.content !== undefined)
      throw invalid(`${path}.content`, 'makes no sense for a download');
    return;
  }
  checkAbsolute(options.destination, `${path}.destination`);
  if (checkExactlyOne(options, path, ['source', 'content']) === 'content') {
    if (options.destination.endsWith('/'))
      throw invalid(
        `${path}.destination`,
        'must name the file, since the content has no name of its own',
      );
  } else {
    checkText(options.source, `${path}.source`);
    checkReadable(resolve(options.source), `${path}.source`);
  }
}

function checkAbsolute(value: unknown, path: string): void {
  checkText(value, path);
  if (!value.startsWith('/'))
    throw invalid(path, `${JSON.stringify(value)} is not an absolute path in the guest`);
}

async function run(
  options: FileOptions,
  machine: Machine,
  { signal }: ProvisionContext,
): Promise<void> {
  const guest = await machine.guest();
  if (options.direction === 'download') {
    await guest.download({
      source: options.source ?? '',
      destination: resolve(options.destination),
      signal,
    });
    return;
  }
  const content = options.content ?? { path: resolve(options.source ?? '') };
  try {
    await guest.upload({ content, destination: options.destination, mode: options.mode, signal });
  } catch (error) {
    throw ImgkitError.is(error, 'FAILED_PRECONDITION')
      ? new ImgkitError('OPERATION_FAILED', error.message, {
          operation: 'provision',
          resource: options.destination,
          hint: error.hint,
          cause: error,
        })
      : error;
  }
}
