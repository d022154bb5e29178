import { link, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

import { ImgkitError } from '@imgkit/core';

/** Checks that a file can be written, before anything is asked of the cloud. */
export async function checkPlace(to: string, needed: number): Promise<void> {
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

/** Puts a written file where it belongs. A link, unlike a renaming, never replaces a file. */
export async function place(part: string, to: string): Promise<void> {
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
