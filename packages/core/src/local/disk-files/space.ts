import { statfs } from 'node:fs/promises';

import { ImgkitError } from '../../spec/errors.ts';

/** Tells how many bytes this user can still write below a directory. */
export type FreeSpace = (directory: string) => Promise<number>;

/** Asks the file system. */
const freeSpace: FreeSpace = async (directory) => {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
};

/** Refuses, before anything is written, what can't fit below `directory`. */
export async function requireSpace(
  directory: string,
  bytes: number,
  ask: FreeSpace = freeSpace,
): Promise<void> {
  const free = await ask(directory);
  if (free >= bytes) return;
  throw new ImgkitError(
    'QUOTA_EXCEEDED',
    `${directory} has ${free} bytes left, but up to ${bytes} are needed`,
    {
      resource: directory,
      hint: 'Free some space, or use a directory on a larger disk.',
      data: { free, needed: bytes },
    },
  );
}
