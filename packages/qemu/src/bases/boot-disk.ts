import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { runTool } from '@imgkit/core/local';

import { giveToRoot } from './ownership.ts';

const sector = 512;
const mib = 1024 * 1024;
/** Where the one partition begins: what is before it belongs to GRUB. */
const partitionStart = mib;

const grubDirectory = '/usr/lib/grub/i386-pc';
const grubModules = ['biosdisk', 'part_msdos', 'ext2', 'normal', 'configfile', 'linux', 'serial'];

const earlyConfiguration = `set root=(hd0,msdos1)
set prefix=(hd0,msdos1)/boot/grub
configfile /boot/grub/grub.cfg
`;

/** What a bootable disk is made of. */
export interface BootDisk {
  /** The raw file to write. */
  readonly path: string;
  readonly sizeMib: number;
  /** The directory whose content becomes the root file system; GRUB reads its /boot/grub/grub.cfg. */
  readonly root: string;
  readonly uuid: string;
  readonly label: string;
  /** A directory for what is needed on the way. */
  readonly scratch: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * Writes a disk that a PC BIOS boots: a partition table, GRUB in the gap behind it, and one ext4
 * partition that is filled as it is made. Nothing is mounted, so no privilege is needed.
 */
export async function writeBootDisk(disk: BootDisk): Promise<void> {
  const { path, sizeMib, root, uuid, label, scratch, signal } = disk;
  const file = await open(path, 'wx');
  try {
    await file.truncate(sizeMib * mib);
  } finally {
    await file.close();
  }
  // Without the features that GRUB 2.06 can't read; initialized here, not by every guest in the background.
  const features = '^metadata_csum_seed,^orphan_file,^64bit';
  const extended = `offset=${partitionStart},lazy_itable_init=0,lazy_journal_init=0,nodiscard`;
  const format = [
    '-q',
    '-F',
    '-t',
    'ext4',
    '-b',
    '4096',
    '-m',
    '1',
    '-O',
    features,
    '-E',
    extended,
  ];
  const content = ['-L', label, '-U', uuid, '-d', root];
  const size = `${(sizeMib - partitionStart / mib) * 1024}k`;
  await runTool('mke2fs', [...format, ...content, path, size], { signal });
  if (process.getuid?.() !== 0) {
    await giveToRoot(`${path}?offset=${partitionStart}`, root, scratch, signal);
  }
  const core = join(scratch, 'core.img');
  const early = join(scratch, 'early.cfg');
  await writeFile(early, earlyConfiguration);
  const target = ['-O', 'i386-pc', '-d', grubDirectory, '-p', '(hd0,msdos1)/boot/grub'];
  await runTool('grub-mkimage', [...target, '-c', early, '-o', core, ...grubModules], { signal });
  const boot = await readFile(join(grubDirectory, 'boot.img'));
  await writeBootRecords(path, sizeMib, boot, await readFile(core));
}

async function writeBootRecords(
  path: string,
  sizeMib: number,
  boot: Buffer,
  core: Buffer,
): Promise<void> {
  const record = masterBootRecord(boot, (sizeMib * mib) / sector);
  if (core.length > partitionStart - sector) throw new Error('core.img does not fit into the gap');
  const file = await open(path, 'r+');
  try {
    await file.write(record, 0, record.length, 0);
    await file.write(core, 0, core.length, sector);
  } finally {
    await file.close();
  }
}

/**
 * The first sector of a disk of `sectors` sectors: GRUB's boot code, which loads its core from the
 * sector behind, and a table with one bootable Linux partition to the disk's end.
 */
export function masterBootRecord(boot: Buffer, sectors: number): Buffer {
  const record = Buffer.alloc(sector);
  const codeBytes = 440;
  boot.copy(record, 0, 0, codeBytes);
  // As grub-bios-setup does for hard disks: skip the check for a floppy drive.
  record.writeUInt16BE(0x9090, 0x66);
  record.writeUInt32LE(0x494d474b, codeBytes);
  const first = partitionStart / sector;
  const entry = 446;
  const bootable = 0x80;
  const linux = 0x83;
  const beyondCylinders = [0xfe, 0xff, 0xff];
  record.set([bootable, ...beyondCylinders, linux, ...beyondCylinders], entry);
  record.writeUInt32LE(first, entry + 8);
  record.writeUInt32LE(sectors - first, entry + 12);
  record.writeUInt16LE(0xaa55, 510);
  return record;
}
