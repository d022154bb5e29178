import { constants } from 'node:fs';
import { access, link, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

import { ImgkitError } from '../../spec/errors.ts';

import { fileError, systemCode } from '../system-errors.ts';
import { ownName, removeAbandoned } from './owned-file.ts';

/** Flushes the file or directory at `path` to the disk. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Writes the file `target` whole or not at all: `write` fills a temporary file beside it, which is
 * flushed and renamed. When `write` throws, nothing is left; what a killed process left for the
 * same target is removed by the next call.
 *
 * @param options - `overwrite` replaces an existing file; without it that is `ALREADY_EXISTS`.
 */
export async function writeAtomically(
  target: string,
  write: (temporary: string) => Promise<void>,
  options: { readonly overwrite?: boolean | undefined } = {},
): Promise<void> {
  const path = resolve(target);
  const directory = dirname(path);
  const prefix = `.${basename(path)}.`;
  if (options.overwrite !== true && (await exists(path))) throw taken(path);
  await removeAbandoned(directory, prefix);
  const temporary = join(directory, ownName(prefix));
  try {
    await write(temporary);
    await syncPath(temporary);
    await (options.overwrite === true ? rename(temporary, path) : linkOrRename(temporary, path));
    await syncPath(directory);
  } catch (error) {
    throw fileError(error, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** A hard link never replaces a file that appeared meanwhile; some file systems have none. */
async function linkOrRename(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') throw taken(path);
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(systemCode(error) ?? ''))
      throw error;
    await rename(temporary, path);
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function taken(path: string): ImgkitError {
  return new ImgkitError('ALREADY_EXISTS', `${path} exists already`, {
    resource: path,
    hint: 'Remove it, choose another name, or ask to overwrite it.',
  });
}
