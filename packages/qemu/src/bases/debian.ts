import { randomUUID } from 'node:crypto';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { ImgkitError } from '@imgkit/core';
import { convert, runTool } from '@imgkit/core/local';

import { chooseMirror, mirrorError, sourceLines } from './apt.ts';
import type { BaseBuilder } from './base-image.ts';
import { writeBootDisk } from './boot-disk.ts';
import { buildOnce, recipeDigest, type Recipe, type Workshop } from './build-cache.ts';
import { debianFiles, debianFinish, debianLinks, debianPackages } from './debian-files.ts';
import { requirePrograms, type Requirement } from './programs.ts';

/** What a Debian base image is made with. */
export interface DebianBaseOptions {
  /** The release by its code name: `bookworm`, Debian 12, by default. */
  readonly suite?: 'bookworm' | undefined;
  /** The size of its disk in GiB; it grows with the disk of its machine. 2 by default. */
  readonly sizeGib?: number | undefined;
  /**
   * The URL of a mirror of Debian, also used by the image later. By default those that this
   * machine itself uses, with security updates, or else mmdebstrap's own.
   */
  readonly mirror?: string | undefined;
}

const needed = [
  'grub-mkimage',
  'mke2fs',
  'mmdebstrap',
  'qemu-img',
  'setpriv',
  'tar',
  '/usr/lib/grub/i386-pc/boot.img',
  '/usr/share/keyrings/debian-archive-keyring.gpg',
] as const satisfies readonly Requirement[];
const releases = { bookworm: '12' } as const;
const unwanted = ['man', 'doc', 'locale', 'info'];
const keptOfDoc = '/usr/share/doc/*/copyright';

/**
 * A Debian base image, made from Debian's own packages: systemd, cloud-init, an SSH server, the
 * cloud kernel and the QEMU guest agent. Keys log in as `debian`, who may use sudo, and as root;
 * passwords don't log in at all.
 */
export function debianBase(options: DebianBaseOptions = {}): BaseBuilder {
  const { suite = 'bookworm', sizeGib = 2, mirror } = options;
  if (!Object.hasOwn(releases, suite)) {
    throw new ImgkitError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(suite)} is not a release we build`,
      {
        hint: `Use one of ${Object.keys(releases).join(', ')}.`,
      },
    );
  }
  if (!Number.isSafeInteger(sizeGib) || sizeGib < 2 || sizeGib > 2047) {
    throw new ImgkitError('INVALID_ARGUMENT', `a Debian image cannot have ${sizeGib} GiB`, {
      hint: 'Give a whole number from 2 to 2047.',
    });
  }
  const content = [debianPackages, debianFiles(''), debianLinks, debianFinish, unwanted];
  const recipe: Recipe = {
    kind: 'debian',
    description: `Debian ${releases[suite]} (${suite}) with cloud-init, made from its packages`,
    defaultUser: 'debian',
    digest: recipeDigest(['debian', 1, suite, sizeGib, mirror ?? null, content]),
    requiredBytes: 2200 * 2 ** 20,
    make: (workshop) => makeDebian(workshop, { suite, sizeGib, mirror }),
  };
  return {
    kind: recipe.kind,
    description: recipe.description,
    build: (directory, build) => buildOnce(directory, recipe, build),
  };
}

async function makeDebian(
  workshop: Workshop,
  { suite, sizeGib, mirror: asked }: { suite: string; sizeGib: number; mirror: string | undefined },
): Promise<string> {
  const { directory, signal, report } = workshop;
  const isRoot = process.getuid?.() === 0;
  await requirePrograms(isRoot ? needed : [...needed, 'debugfs', 'newuidmap']);
  const mirror = await chooseMirror(asked);
  const uuid = randomUUID();
  const overlay = await writeOverlay(directory, uuid);
  const root = join(directory, 'root');
  const target = isRoot ? root : join(directory, 'root.tar');
  await bootstrap({ workshop, suite, lines: sourceLines(suite, mirror), overlay, target }).catch(
    (error: unknown) => {
      throw mirrorError(error, mirror);
    },
  );
  report({ phase: 'writing the disk' });
  if (!isRoot) {
    await mkdir(root);
    await runTool('tar', ['-xpf', target, '-C', root, '--exclude=./dev/*'], { signal });
  }
  const raw = join(directory, 'disk.raw');
  const sizeMib = sizeGib * 1024;
  await writeBootDisk({
    path: raw,
    sizeMib,
    root,
    uuid,
    label: 'root',
    scratch: directory,
    signal,
  });
  const image = join(directory, 'disk.qcow2');
  await convert(raw, image, { from: 'raw', to: 'qcow2', signal });
  return image;
}

/** Packs our own files: they are in the root before the packages, which keep what is there. */
async function writeOverlay(directory: string, uuid: string): Promise<string> {
  const overlay = join(directory, 'overlay');
  const place = async (path: string): Promise<string> => {
    const target = join(overlay, path);
    await mkdir(dirname(target), { recursive: true });
    return target;
  };
  for (const [path, { content, mode = 0o644 }] of Object.entries(debianFiles(uuid))) {
    const target = await place(path);
    await writeFile(target, content);
    await chmod(target, mode);
  }
  for (const [path, to] of Object.entries(debianLinks)) await symlink(to, await place(path));
  const archive = `${overlay}.tar`;
  const owner = ['--owner=0', '--group=0', '--numeric-owner', '--mode=u=rwX,go=rX'];
  await runTool('tar', ['-cf', archive, '-C', overlay, ...owner, '.']);
  return archive;
}

interface Bootstrap {
  readonly workshop: Workshop;
  readonly suite: string;
  readonly lines: readonly string[];
  readonly overlay: string;
  readonly target: string;
}

async function bootstrap({ workshop, suite, lines, overlay, target }: Bootstrap): Promise<void> {
  const { directory, signal, report } = workshop;
  report({ phase: 'installing packages' });
  const exclude = unwanted.map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);
  const args = [
    '--variant=minbase',
    '--architectures=amd64',
    ...exclude,
    `--dpkgopt=path-include=${keptOfDoc}`,
    `--include=${debianPackages.join(',')}`,
    `--setup-hook=tar-in ${quote(overlay)} /`,
    `--customize-hook=${debianFinish}`,
    suite,
    target,
    ...lines,
  ];
  // When this process is killed, so is mmdebstrap, which then cleans up after itself.
  await runTool('setpriv', ['--pdeathsig', 'TERM', 'mmdebstrap', ...args], {
    signal,
    cwd: directory,
    environment: { TMPDIR: directory },
    graceMs: 20_000,
    onOutput: () => {},
    onErrorOutput: (text) => {
      for (const [, step] of text.matchAll(/^I: (.+?)(?:\.\.\.)?$/gm)) {
        if (step !== undefined && !step.startsWith('running')) {
          report({ phase: `installing packages: ${step}` });
        }
      }
    },
  });
}

/** Quotes a path for the shell that runs mmdebstrap's hooks. */
function quote(path: string): string {
  return `'${path.replaceAll("'", String.raw`'\''`)}'`;
}
