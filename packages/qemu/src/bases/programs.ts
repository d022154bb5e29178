import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';

import { ImgkitError } from '@imgkit/core';
import { searchPath } from '@imgkit/core/local';

/** Which Debian package has each program or file that base images are made with. */
const packages = {
  'apt-cache': 'apt',
  'apt-get': 'apt',
  busybox: 'busybox-static',
  debugfs: 'e2fsprogs',
  'dpkg-deb': 'dpkg',
  dropbear: 'dropbear-bin',
  dropbearconvert: 'dropbear-bin',
  dropbearkey: 'dropbear-bin',
  'grub-mkimage': 'grub-common',
  ldd: 'libc-bin',
  mke2fs: 'e2fsprogs',
  mmdebstrap: 'mmdebstrap',
  newuidmap: 'uidmap',
  'qemu-img': 'qemu-utils',
  resize2fs: 'e2fsprogs',
  setpriv: 'util-linux',
  tar: 'tar',
  '/usr/lib/grub/i386-pc/boot.img': 'grub-pc-bin',
  '/usr/share/keyrings/debian-archive-keyring.gpg': 'debian-archive-keyring',
} as const;

/** A program by its name, or a file by its path. */
export type Requirement = keyof typeof packages;

/** What is asked of the machine; tests give their own. */
export interface Surroundings {
  /** The directories where programs are looked for. */
  readonly path: readonly string[];
  readonly isRoot: boolean;
}

const here = (): Surroundings => ({ path: searchPath(), isRoot: process.getuid?.() === 0 });

/**
 * Finds every one of `wanted`, and gives their paths.
 *
 * @throws `FAILED_PRECONDITION` that names all that are missing and the one line that installs them.
 */
export async function requirePrograms<R extends Requirement>(
  wanted: readonly R[],
  surroundings: Surroundings = here(),
): Promise<ReadonlyMap<R, string>> {
  const found = new Map<R, string>();
  for (const name of wanted) {
    const path = await locate(name, surroundings.path);
    if (path !== undefined) found.set(name, path);
  }
  const missing = wanted.filter((name) => !found.has(name));
  if (missing.length === 0) return found;
  const names = [...new Set(missing.map((name) => packages[name]))];
  throw new ImgkitError('FAILED_PRECONDITION', `base images need ${missing.join(', ')}`, {
    hint: `Install what is missing: ${installLine(names, surroundings.isRoot)}`,
    data: { missing },
  });
}

/** The line to type to install Debian packages. */
export function installLine(names: readonly string[], isRoot = here().isRoot): string {
  return `${isRoot ? '' : 'sudo '}apt-get install -y --no-install-recommends ${names.join(' ')}`;
}

async function locate(name: string, path: readonly string[]): Promise<string | undefined> {
  const [mode, candidates] = name.startsWith('/')
    ? [constants.R_OK, [name]]
    : [constants.X_OK, path.map((directory) => join(directory, name))];
  for (const candidate of candidates) {
    if (
      await access(candidate, mode).then(
        () => true,
        () => false,
      )
    )
      return candidate;
  }
  return undefined;
}
