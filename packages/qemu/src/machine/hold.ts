import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { ImgkitError } from '@imgkit/core';
import { liveness, ownerOf, ownName } from '@imgkit/core/local';

const prefix = 'held';

/**
 * Keeps a stopped machine from being started, as long as this process lives, while its disks are
 * read. The function returned ends that.
 */
export async function holdMachine(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, ownName(prefix));
  await writeFile(path, '', { mode: 0o600 });
  return async () => rm(path, { force: true });
}

/** @throws `IN_USE` while a living process holds the machine. */
export async function requireFree(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const owner = name.startsWith(prefix) ? ownerOf(name) : undefined;
    if (owner === undefined) continue;
    if (liveness(owner) === 'dead') await rm(join(directory, name), { force: true });
    else {
      throw new ImgkitError('IN_USE', 'the disks of the machine are being copied', {
        resource: directory,
        hint: 'Start it when the image or the snapshot is READY.',
      });
    }
  }
}
