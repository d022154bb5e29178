import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { ImgkitError } from '@imgkit/core';
import { runTool } from '@imgkit/core/local';

/**
 * Makes root the owner of everything in the file system `device`, as debugfs names it, which was
 * filled from the directory `root`. Needed when it wasn't root who filled it, since files keep
 * their owners; done inside the image, so that it takes no privilege.
 */
export async function giveToRoot(
  device: string,
  root: string,
  scratch: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const paths = ['', ...(await readdir(root, { recursive: true }))].map((path) => `/${path}`);
  const unsafe = paths.find((path) => /["\n]/.test(path));
  if (unsafe !== undefined) {
    throw new ImgkitError('OPERATION_FAILED', `${JSON.stringify(unsafe)} cannot be given to root`);
  }
  const commands = join(scratch, 'ownership');
  const lines = paths.flatMap((path) =>
    ['uid', 'gid'].map((field) => `set_inode_field "${path}" ${field} 0\n`),
  );
  await writeFile(commands, lines.join(''));
  await runTool('debugfs', ['-w', '-f', commands, device], { signal, onOutput: () => {} });
}
