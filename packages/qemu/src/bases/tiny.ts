import { randomUUID } from 'node:crypto';
import { chmod, copyFile, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { ImgkitError } from '@imgkit/core';
import { convert, runTool } from '@imgkit/core/local';

import { chooseMirror, downloadKernel } from './apt.ts';
import type { BaseBuilder } from './base-image.ts';
import { writeBootDisk } from './boot-disk.ts';
import { buildOnce, recipeDigest, type Recipe, type Workshop } from './build-cache.ts';
import { newcArchive, type ArchiveEntry } from './newc-archive.ts';
import { installLine, requirePrograms, type Requirement } from './programs.ts';
import { initScript, tinyDirectories, tinyFiles, tinyModules } from './tiny-files.ts';

/** What a tiny base image is made with. */
export interface TinyBaseOptions {
  /** The size of its disk in MiB; it grows with the disk of its machine. 256 by default. */
  readonly sizeMib?: number | undefined;
  /** The mirror of Debian from which the kernel comes; this machine's own by default. */
  readonly mirror?: string | undefined;
}

const suite = 'bookworm';
const needed = [
  'apt-cache',
  'apt-get',
  'busybox',
  'debugfs',
  'dpkg-deb',
  'dropbear',
  'dropbearconvert',
  'dropbearkey',
  'grub-mkimage',
  'ldd',
  'mke2fs',
  'qemu-img',
  'resize2fs',
  '/usr/lib/grub/i386-pc/boot.img',
] as const satisfies readonly Requirement[];
type Programs = Awaited<ReturnType<typeof requirePrograms<(typeof needed)[number]>>>;

/** The programs of this machine that run in the image too, and where they go. */
const guestPrograms = {
  dropbear: 'usr/sbin',
  dropbearconvert: 'usr/bin',
  dropbearkey: 'usr/bin',
  resize2fs: 'sbin',
} as const;

/**
 * The tiny base image: Debian's cloud kernel, busybox and the SSH server dropbear. Every user is root.
 * It boots within seconds even where a machine has no hardware support, so it suits tests.
 *
 * It takes its SSH keys, its host key, its name and a startup script from a NoCloud seed, or from
 * OpenStack's config drive, as cloud-init would. Other users that a seed names are root by another name; anything else
 * of cloud-init it ignores.
 */
export function tinyBase(options: TinyBaseOptions = {}): BaseBuilder {
  const { sizeMib = 256, mirror } = options;
  if (!Number.isSafeInteger(sizeMib) || sizeMib < 128 || sizeMib > 65_536) {
    throw new ImgkitError('INVALID_ARGUMENT', `a tiny image cannot have ${sizeMib} MiB`, {
      hint: 'Give a whole number from 128 to 65536.',
    });
  }
  const content = [tinyModules, initScript, tinyFiles, tinyDirectories, guestPrograms];
  const recipe: Recipe = {
    kind: 'tiny',
    description: 'imgkit tiny 1: a Linux kernel, busybox and dropbear',
    defaultUser: 'root',
    digest: recipeDigest(['tiny', 1, sizeMib, mirror ?? null, content]),
    requiredBytes: 500 * 2 ** 20,
    make: (workshop) => makeTiny(workshop, sizeMib, mirror),
  };
  return {
    kind: recipe.kind,
    description: recipe.description,
    build: (directory, build) => buildOnce(directory, recipe, build),
  };
}

async function makeTiny(
  workshop: Workshop,
  sizeMib: number,
  asked: string | undefined,
): Promise<string> {
  const { directory, signal, report } = workshop;
  const programs = await requirePrograms(needed);
  const busybox = await staticBusybox(programs, signal);
  report({ phase: 'fetching the kernel' });
  const mirror = await chooseMirror(asked);
  const kernelPackage = await downloadKernel({ directory, mirror, suite, signal });
  const kernel = join(directory, 'kernel');
  await runTool('dpkg-deb', ['-x', kernelPackage, kernel], { signal });
  report({ phase: 'putting the files together' });
  const root = join(directory, 'root');
  await mkdir(root);
  await writeGuestFiles(root);
  await installBusybox(root, busybox, signal);
  for (const name of ['dropbear', 'dropbearconvert', 'dropbearkey', 'resize2fs'] as const) {
    await installProgram(root, programs.get(name) ?? name, guestPrograms[name], signal);
  }
  const version = await onlyEntry(join(kernel, 'lib/modules'));
  await copyFile(join(kernel, `boot/vmlinuz-${version}`), join(root, 'boot/vmlinuz'));
  const modules = await readModules(join(kernel, 'lib/modules', version), busybox, signal);
  const initramfs = newcArchive(initramfsEntries(await readFile(busybox), modules));
  await writeFile(join(root, 'boot/initrd.img'), gzipSync(initramfs, { level: 6 }));
  report({ phase: 'writing the disk' });
  const raw = join(directory, 'disk.raw');
  const uuid = randomUUID();
  await writeBootDisk({
    path: raw,
    sizeMib,
    root,
    uuid,
    label: 'tiny',
    scratch: directory,
    signal,
  });
  const image = join(directory, 'disk.qcow2');
  await convert(raw, image, { from: 'raw', to: 'qcow2', signal });
  return image;
}

async function writeGuestFiles(root: string): Promise<void> {
  for (const directory of tinyDirectories) await mkdir(join(root, directory), { recursive: true });
  for (const [path, { content, mode = 0o644 }] of Object.entries(tinyFiles)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
    await chmod(join(root, path), mode);
  }
  await chmod(join(root, 'tmp'), 0o1777);
  for (const path of ['root', 'root/.ssh', 'etc/dropbear']) await chmod(join(root, path), 0o700);
}

async function installBusybox(
  root: string,
  busybox: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await copyFile(busybox, join(root, 'bin/busybox'));
  await chmod(join(root, 'bin/busybox'), 0o755);
  const applets = (await runTool(busybox, ['--list'], { signal })).split('\n').filter(Boolean);
  const taken = new Set(['busybox', ...Object.keys(tinyFiles).map((path) => basename(path))]);
  for (const applet of applets) {
    if (!taken.has(applet)) await symlink('/bin/busybox', join(root, 'bin', applet));
  }
  for (const name of ['halt', 'init', 'poweroff', 'reboot'])
    await symlink('/bin/busybox', join(root, 'sbin', name));
}

/** Copies a program of this machine, and the shared libraries it loads. */
async function installProgram(
  root: string,
  program: string,
  directory: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const target = join(root, directory, basename(program));
  await copyFile(program, target);
  await chmod(target, 0o755);
  for (const library of await sharedLibraries(program, signal)) {
    await mkdir(dirname(join(root, library)), { recursive: true });
    await copyFile(library, join(root, library));
    await chmod(join(root, library), 0o755);
  }
}

async function sharedLibraries(
  program: string,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const output = await runTool('ldd', [program], { signal, exitCodes: [0, 1] });
  return [...output.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].map(([, path = '']) => path);
}

async function staticBusybox(programs: Programs, signal: AbortSignal | undefined): Promise<string> {
  const busybox = programs.get('busybox') ?? 'busybox';
  if ((await sharedLibraries(busybox, signal)).length === 0) return busybox;
  throw new ImgkitError('FAILED_PRECONDITION', `${busybox} needs shared libraries`, {
    resource: busybox,
    hint: `Install the static one: ${installLine(['busybox-static'])}`,
  });
}

async function readModules(
  directory: string,
  busybox: string,
  signal: AbortSignal | undefined,
): Promise<readonly ArchiveEntry[]> {
  const builtin = await readFile(join(directory, 'modules.builtin'), 'utf8');
  const entries: ArchiveEntry[] = [];
  for (const module of tinyModules) {
    if (builtin.includes(`kernel/${module}.ko\n`)) continue;
    const number = String(entries.length).padStart(2, '0');
    const path = `modules/${number}-${basename(module)}.ko`;
    const file = join(directory, 'kernel', `${module}.ko`);
    const content = await readFile(file).catch(async () => {
      // Newer kernels come with compressed modules, which insmod doesn't take.
      const plain = join(directory, `${basename(module)}.ko`);
      await copyFile(`${file}.xz`, `${plain}.xz`);
      await runTool(busybox, ['unxz', `${plain}.xz`], { signal });
      return await readFile(plain);
    });
    entries.push({ path, type: 'file', content, mode: 0o644 });
  }
  return entries;
}

function initramfsEntries(
  busybox: Buffer,
  modules: readonly ArchiveEntry[],
): readonly ArchiveEntry[] {
  const directories = ['bin', 'dev', 'modules', 'proc', 'root', 'sys'];
  return [
    ...directories.map((path) => ({ path, type: 'directory' as const })),
    { path: 'bin/busybox', type: 'file', content: busybox },
    { path: 'init', type: 'file', content: initScript },
    ...modules,
  ];
}

async function onlyEntry(directory: string): Promise<string> {
  const [name, ...others] = await readdir(directory);
  if (name !== undefined && others.length === 0) return name;
  throw new ImgkitError('PROTOCOL', `${directory} should hold exactly one kernel`);
}
