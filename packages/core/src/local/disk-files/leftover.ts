import { readFile, realpath, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

import { ImgkitError } from '../../spec/errors.ts';

import { runTool } from './tool.ts';

/**
 * Removes a file, or a directory in which something was built. A build that was killed may have left the host's `/proc` and
 * `/sys` mounted there, and nothing is ever removed through a mount: they are unmounted first.
 *
 * @throws `FAILED_PRECONDITION` when something stays mounted; then nothing is removed.
 */
export async function removeLeftover(path: string): Promise<void> {
  for (const mount of (await mountsBelow(path)).toReversed())
    await runTool('umount', ['--lazy', mount]).catch(() => undefined);
  const [left] = await mountsBelow(path);
  if (left !== undefined)
    throw new ImgkitError('FAILED_PRECONDITION', `${left} is still mounted`, {
      resource: left,
      hint: `Unmount it: sudo umount ${left}`,
    });
  await rm(path, { recursive: true, force: true });
}

async function mountsBelow(path: string): Promise<string[]> {
  const table = await readFile('/proc/self/mounts', 'utf8').catch(() => '');
  // The table has no links in its paths. Should this one be a link, it is only the link that is removed.
  const parent = await realpath(dirname(resolve(path))).catch(() => dirname(resolve(path)));
  const real = join(parent, basename(path));
  return table
    .split('\n')
    .map((line) => unescape(line.split(' ')[1] ?? ''))
    .filter((mount) => mount === real || mount.startsWith(`${real}/`));
}

/** Spaces, tabs, line ends and backslashes stand there as three octal digits. */
function unescape(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCodePoint(Number.parseInt(digits, 8)),
  );
}
