import { execFile } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ImgkitError } from '@imgkit/core';

const run = promisify(execFile);
const names = ['nginx-common', 'nginx'];

/**
 * Gives the paths of nginx's Debian packages, which this machine downloads once: the guests need no
 * network of their own then.
 */
export async function webPackages(directory: string, signal: AbortSignal): Promise<string[]> {
  const found = await packagesIn(directory);
  if (found.length === names.length) return found;
  await mkdir(directory, { recursive: true });
  try {
    await run('apt-get', ['--quiet', 'download', ...names], { cwd: directory, signal });
  } catch (error) {
    signal.throwIfAborted();
    throw new ImgkitError('FAILED_PRECONDITION', "nginx's packages can't be downloaded", {
      operation: `apt-get download ${names.join(' ')}`,
      hint: 'Run "sudo apt-get update", and try again.',
      cause: error,
    });
  }
  return packagesIn(directory);
}

/** In the order in which they are installed. */
async function packagesIn(directory: string): Promise<string[]> {
  const files = await readdir(directory).catch(() => []);
  return names.flatMap((name) => {
    const file = files.find((one) => one.startsWith(`${name}_`) && one.endsWith('.deb'));
    return file === undefined ? [] : [join(directory, file)];
  });
}
