#!/usr/bin/env node
// @ts-check
// Makes sure that the programs imgkit drives (QEMU and what builds base images) are on this machine.
// Plain JavaScript without dependencies, because it runs before anything is built, on Node 20 too.
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  closeSync,
  constants,
  openSync,
  readFileSync,
  readSync,
  realpathSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * @typedef {object} Requirement
 * @property {string} name What the user sees.
 * @property {string} why What imgkit does with it.
 * @property {string} debianPackage The Debian or Ubuntu package that brings it.
 * @property {(system: System) => boolean} met Whether this machine has it.
 */

/**
 * What the script sees of the machine; the tests give their own.
 * @typedef {object} System
 * @property {(name: string) => boolean} hasCommand Whether a program is on the search path.
 * @property {(path: string) => boolean} hasFile Whether a file can be read.
 * @property {(path: string) => boolean} isStatic Whether the file is an ELF program that needs no shared library.
 * @property {boolean} isRoot Whether this user may install packages.
 * @property {boolean} hasApt Whether this is Debian or one of its descendants.
 * @property {boolean} isDebian12 Whether this is Debian 12 itself.
 * @property {(command: string, args: readonly string[]) => number} run Runs a command, returns its exit code.
 * @property {(line: string) => void} print Writes one line for the user.
 */

/** @type {(name: string, debianPackage: string, why: string) => Requirement} */
const command = (name, debianPackage, why) => ({
  name,
  debianPackage,
  why,
  met: (system) => system.hasCommand(name),
});

/** @type {(path: string, debianPackage: string, why: string) => Requirement} */
const file = (path, debianPackage, why) => ({
  name: path,
  debianPackage,
  why,
  met: (system) => system.hasFile(path),
});

/** @type {readonly Requirement[]} */
export const requirements = [
  command('qemu-system-x86_64', 'qemu-system-x86', 'runs the machines that images are baked in'),
  command('qemu-img', 'qemu-utils', 'creates and converts disk images'),
  command('openssl', 'openssl', 'makes the certificates of test servers'),
  command('mmdebstrap', 'mmdebstrap', 'makes the Debian base image from packages'),
  file(
    '/usr/share/keyrings/debian-archive-keyring.gpg',
    'debian-archive-keyring',
    "checks the signatures of Debian's packages",
  ),
  {
    name: 'static /bin/busybox',
    debianPackage: 'busybox-static',
    why: 'is the userland of the tiny base image',
    met: (system) => system.isStatic('/bin/busybox'),
  },
  command('dropbear', 'dropbear-bin', 'is the SSH server of the tiny base image'),
  command('dropbearconvert', 'dropbear-bin', 'converts host keys for it'),
  command('grub-mkimage', 'grub-common', 'makes base images bootable'),
  file('/usr/lib/grub/i386-pc/boot.img', 'grub-pc-bin', 'makes base images bootable'),
  command('mke2fs', 'e2fsprogs', 'makes their file systems'),
  {
    name: 'newuidmap',
    debianPackage: 'uidmap',
    why: 'makes the Debian base image without being root',
    met: (system) => system.isRoot || system.hasCommand('newuidmap'),
  },
];

/**
 * A service of the OpenStack that tests start: from the packages of Debian 12 and as root, and elsewhere not at all.
 * @type {(path: string, debianPackage: string, why: string) => Requirement}
 */
const openstack = (path, debianPackage, why) => ({
  name: path,
  debianPackage,
  why,
  met: (system) => !(system.isDebian12 && system.isRoot) || system.hasFile(path),
});

const pythonPackages = '/usr/lib/python3/dist-packages';

/** What the tests check our own work with. @type {readonly Requirement[]} */
export const testRequirements = [
  command('cpio', 'cpio', 'reads the initramfs that the tests made'),
  command('fsck.fat', 'dosfstools', 'checks the seed volumes that the tests made'),
  command('ssh-keygen', 'openssh-client', 'reads the keys that the tests made'),
  openstack(`${pythonPackages}/keystone`, 'python3-keystone', "is the tests' identity service"),
  openstack(`${pythonPackages}/glance`, 'python3-glance', "is the tests' image service"),
  openstack(`${pythonPackages}/placement`, 'python3-placement', "is the tests' resource service"),
  openstack(`${pythonPackages}/nova`, 'python3-nova', "is the tests' compute service"),
  openstack(`${pythonPackages}/cinder`, 'python3-cinder', "is the tests' volume service"),
  openstack('/usr/bin/gunicorn', 'gunicorn', 'serves them'),
  openstack('/usr/bin/eatmydata', 'eatmydata', "spares them the disk's time"),
  openstack(
    '/usr/bin/genisoimage',
    'genisoimage',
    'writes the drives that tell guests who they are',
  ),
];

const usage = `usage: node scripts/prepare-system.mjs [--check] [--tests] [--help]

Makes sure that the programs imgkit needs are installed. As root on Debian or
Ubuntu it installs those that are missing and says so first; elsewhere it prints
the line to type and exits with 1.

  --check   only look; exit with 1 if something is missing
  --tests   also what only the tests need
  --help    print this text
`;

const aptOptions = ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3'];

/**
 * @param {readonly string[]} args The command line, without node and the script.
 * @param {System} system The machine.
 * @returns {number} The exit code.
 */
export function prepareSystem(args, system) {
  if (args.includes('--help')) {
    system.print(usage);
    return 0;
  }
  const unknown = args.find((arg) => arg !== '--check' && arg !== '--tests');
  if (unknown !== undefined) {
    system.print(`unknown option ${unknown}\n\n${usage}`);
    return 2;
  }

  const wanted = args.includes('--tests') ? [...requirements, ...testRequirements] : requirements;
  const missing = wanted.filter((requirement) => !requirement.met(system));
  if (missing.length === 0) return 0;
  const packages = [...new Set(missing.map((requirement) => requirement.debianPackage))];
  const mayInstall = system.isRoot && system.hasApt && !args.includes('--check');

  system.print('imgkit needs programs that this machine does not have:');
  for (const { name, why } of missing) system.print(`  ${name}  (${why})`);
  if (!mayInstall) {
    system.print(system.hasApt ? 'To install them, type:' : 'Install what your system calls:');
    system.print(`  ${system.hasApt ? typedLine(packages, system.isRoot) : packages.join(' ')}`);
    return 1;
  }

  system.print(
    `Installing ${packages.join(' ')} with apt-get, because this is root on Debian or Ubuntu.`,
  );
  // A failed update is not the end: the packages may be in the lists already there.
  system.run('apt-get', [...aptOptions, 'update', '-q']);
  const code = system.run('apt-get', [
    ...aptOptions,
    'install',
    '-y',
    '-q',
    '--no-install-recommends',
    ...packages,
  ]);
  const still = wanted.filter((requirement) => !requirement.met(system));
  if (code === 0 && still.length === 0) return 0;
  system.print(
    `apt-get did not bring ${still.map(({ name }) => name).join(', ') || 'everything'}.`,
  );
  system.print(`See its output above, then type:\n  ${typedLine(packages, system.isRoot)}`);
  return 1;
}

/** @type {(packages: readonly string[], isRoot: boolean) => string} */
function typedLine(packages, isRoot) {
  const apt = isRoot ? 'apt-get' : 'sudo apt-get';
  return `${apt} update && ${apt} install -y --no-install-recommends ${packages.join(' ')}`;
}

/** @type {(path: string, mode: number) => boolean} */
function accessible(path, mode) {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

/**
 * Whether an ELF program has no PT_INTERP header, that is, asks for no dynamic loader.
 * @param {string} path
 */
export function isStaticProgram(path) {
  let descriptor;
  try {
    descriptor = openSync(path, 'r');
    const head = Buffer.alloc(4096);
    const length = readSync(descriptor, head, 0, head.length, 0);
    const isElf64 = length >= 64 && head.readUInt32BE(0) === 0x7f454c46 && head[4] === 2;
    if (!isElf64) return false;
    const offset = Number(head.readBigUInt64LE(32));
    const size = head.readUInt16LE(54);
    const count = head.readUInt16LE(56);
    if (offset + size * count > length) return false;
    const interpreter = 3;
    for (let index = 0; index < count; index += 1) {
      if (head.readUInt32LE(offset + size * index) === interpreter) return false;
    }
    return true;
  } catch {
    return false;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** @returns {System} */
function thisMachine() {
  // The directories of administrators are not on every user's PATH, but the tools in them work.
  const directories = [
    ...(process.env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== ''),
    '/usr/local/sbin',
    '/usr/sbin',
    '/sbin',
  ];
  return {
    hasCommand: (name) =>
      directories.some((directory) => accessible(join(directory, name), constants.X_OK)),
    hasFile: (path) => accessible(path, constants.R_OK),
    isStatic: isStaticProgram,
    isRoot: process.getuid?.() === 0,
    hasApt: systemIs(/^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m),
    isDebian12: systemIs(/^ID=debian$/m) && systemIs(/^VERSION_ID="?12"?$/m),
    run: (program, args) =>
      spawnSync(program, args, {
        stdio: ['ignore', 'inherit', 'inherit'],
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      }).status ?? 1,
    print: (line) => console.log(line),
  };
}

/** @type {(pattern: RegExp) => boolean} */
function systemIs(pattern) {
  try {
    return pattern.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}

const [, script] = process.argv;
if (script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url)) {
  process.exitCode = prepareSystem(process.argv.slice(2), thisMachine());
}
