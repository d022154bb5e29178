import { ImgkitError } from '@imgkit/core';
import { open } from 'node:fs/promises';
import { join } from 'node:path';

// sun_path holds 108 bytes on Linux (104 elsewhere), with the closing zero.
const longest = process.platform === 'linux' ? 107 : 103;

/**
 * Calls `use` with a path by which the unix socket `name` in `directory` can be reached, however
 * long the directory's own path is: too long a one goes through a descriptor of the directory.
 *
 * @throws `FAILED_PRECONDITION` where the path is too long and the system has no `/proc`.
 */
export async function withSocketPath<T>(
  directory: string,
  name: string,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const path = join(directory, name);
  if (Buffer.byteLength(path) <= longest) return use(path);
  if (process.platform !== 'linux') {
    throw new ImgkitError('FAILED_PRECONDITION', `the path ${path} is too long for a socket`, {
      resource: path,
      hint: `Put the store at a path that leaves room: sockets take ${longest} bytes.`,
    });
  }
  await using handle = await open(directory, 'r');
  return await use(`/proc/self/fd/${handle.fd}/${name}`);
}
