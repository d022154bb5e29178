import { readFile, rm } from 'node:fs/promises';

import { ImgkitError } from '@imgkit/core';

import { runTool } from '../formats/tool.ts';

/**
 * Removes a directory in which something was built. A build that was killed may have left the host's `/proc` and
 * `/sys` mounted there, and nothing is ever removed through a mount: they are unmounted first.
 *
 * @throws `FAILED_PRECONDITION` when something stays mounted; then nothing is removed.
 */
export async function removeLeftover(directory: string): Promise<void> {
  for (const mount of (await mountsBelow(directory)).toReversed())
    await runTool('umount', ['--lazy', mount]).catch(() => undefined);
  const [left] = await mountsBelow(directory);
  if (left !== undefined)
    throw new ImgkitError('FAILED_PRECONDITION', `${left} is still mounted`, {
      resource: left,
      hint: `Unmount it: sudo umount ${left}`,
    });
  await rm(directory, { recursive: true, force: true });
}

async function mountsBelow(directory: string): Promise<string[]> {
  const table = await readFile('/proc/self/mounts', 'utf8').catch(() => '');
  return table
    .split('\n')
    .map((line) => (line.split(' ')[1] ?? '').replaceAll(String.raw`\040`, ' '))
    .filter((path) => path.startsWith(`${directory}/`));
}
