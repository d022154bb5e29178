import { ImgkitError } from '@imgkit/core';

/** A file of a volume: a name without folders, and its content. */
export interface VolumeFile {
  readonly name: string;
  readonly content: string | Uint8Array;
}

const sector = 512;
const reserved = 1;
const copies = 2;
const rootEntries = 128;
const maxClusters = 4084; // one more would make it a FAT16

/**
 * Makes a FAT12 volume of exactly `bytes` bytes that holds `files` in its root folder, with their
 * long names. The same input always gives the same bytes.
 *
 * @throws `INVALID_ARGUMENT` when the files don't fit, or a name can't be used.
 */
export function fatVolume(label: string, files: readonly VolumeFile[], bytes: number): Buffer {
  const sectors = Math.floor(bytes / sector);
  const rootSectors = (rootEntries * 32) / sector;
  let perCluster = 1;
  while (sectors / perCluster > maxClusters) perCluster *= 2;
  const perFat = Math.ceil(((Math.floor(sectors / perCluster) + 2) * 1.5) / sector);
  const dataStart = reserved + copies * perFat + rootSectors;
  const clusters = Math.floor((sectors - dataStart) / perCluster);
  const clusterBytes = perCluster * sector;

  const volume = Buffer.alloc(bytes);
  const fat = Buffer.alloc(perFat * sector);
  setFat12(fat, 0, 0xff8);
  setFat12(fat, 1, 0xfff);
  const entries: Buffer[] = [labelEntry(label)];
  let next = 2;
  for (const [index, file] of files.entries()) {
    const content = Buffer.from(file.content);
    const count = Math.ceil(content.length / clusterBytes);
    if (next - 2 + count > clusters) throw tooBig(file.name, bytes);
    content.copy(volume, dataStart * sector + (next - 2) * clusterBytes);
    for (let i = 0; i < count; i++) setFat12(fat, next + i, i === count - 1 ? 0xfff : next + i + 1);
    entries.push(...fileEntries(file.name, index, count === 0 ? 0 : next, content.length));
    next += count;
  }
  if (entries.length > rootEntries) throw tooBig(`${files.length} files`, bytes);

  bootSector(label, { sectors, perCluster, perFat }).copy(volume);
  for (let copy = 0; copy < copies; copy++) fat.copy(volume, (reserved + copy * perFat) * sector);
  Buffer.concat(entries).copy(volume, (reserved + copies * perFat) * sector);
  return volume;
}

function tooBig(what: string, bytes: number): ImgkitError {
  return new ImgkitError(
    'INVALID_ARGUMENT',
    `${what}: does not fit the seed disk of ${bytes} bytes`,
    {
      hint: 'Let the startup script fetch what is big, or upload it once the machine runs.',
    },
  );
}

function bootSector(
  label: string,
  shape: { readonly sectors: number; readonly perCluster: number; readonly perFat: number },
): Buffer {
  const boot = Buffer.alloc(sector);
  boot.set([0xeb, 0x3c, 0x90]);
  boot.write('MSWIN4.1', 3, 'latin1');
  boot.writeUInt16LE(sector, 11);
  boot.writeUInt8(shape.perCluster, 13);
  boot.writeUInt16LE(reserved, 14);
  boot.writeUInt8(copies, 16);
  boot.writeUInt16LE(rootEntries, 17);
  if (shape.sectors < 0x1_0000) boot.writeUInt16LE(shape.sectors, 19);
  else boot.writeUInt32LE(shape.sectors, 32);
  boot.writeUInt8(0xf8, 21); // a fixed disk
  boot.writeUInt16LE(shape.perFat, 22);
  boot.writeUInt16LE(32, 24); // sectors per track, heads: of no meaning today, but checked
  boot.writeUInt16LE(64, 26);
  boot.writeUInt8(0x80, 36);
  boot.writeUInt8(0x29, 38); // serial number, label and type follow
  boot.writeUInt32LE(0x1d1d_1d1d, 39);
  boot.write(label.padEnd(11).slice(0, 11), 43, 'latin1');
  boot.write('FAT12   ', 54, 'latin1');
  boot.writeUInt16LE(0xaa55, 510);
  return boot;
}

function setFat12(fat: Buffer, cluster: number, value: number): void {
  const at = Math.floor(cluster * 1.5);
  const old = fat.readUInt16LE(at);
  fat.writeUInt16LE(cluster % 2 === 0 ? (old & 0xf000) | value : (old & 0x000f) | (value << 4), at);
}

function labelEntry(label: string): Buffer {
  const entry = Buffer.alloc(32);
  entry.write(label.padEnd(11).slice(0, 11), 0, 'latin1');
  entry.writeUInt8(0x08, 11);
  return stamped(entry);
}

// The long name in pieces of 13 characters, last piece first, then the short entry they belong to.
function fileEntries(name: string, index: number, cluster: number, size: number): Buffer[] {
  if (!/^[\w.-]{1,100}$/.test(name)) {
    throw new ImgkitError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(name)} cannot name a file of the seed disk`,
    );
  }
  const short = Buffer.from(`FILE~${index}`.padEnd(11), 'latin1');
  const entry = Buffer.alloc(32);
  short.copy(entry);
  entry.writeUInt8(0x20, 11);
  entry.writeUInt16LE(cluster, 26);
  entry.writeUInt32LE(size, 28);
  const checksum = short.reduce((sum, byte) => (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff, 0);
  const pieces = Math.ceil(name.length / 13);
  const long = Array.from({ length: pieces }, (_, piece) => {
    const part = Buffer.alloc(32);
    part.writeUInt8((piece + 1) | (piece === pieces - 1 ? 0x40 : 0), 0);
    part.writeUInt8(0x0f, 11);
    part.writeUInt8(checksum, 13);
    const characters = name.slice(piece * 13, piece * 13 + 13);
    for (const [i, at] of longNameOffsets.entries()) {
      const unit =
        i < characters.length ? characters.charCodeAt(i) : i === characters.length ? 0 : 0xffff;
      part.writeUInt16LE(unit, at);
    }
    return part;
  });
  return [...long.toReversed(), stamped(entry)];
}

const longNameOffsets = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

// 1980-01-01, the first day there is, so that equal files give equal volumes.
function stamped(entry: Buffer): Buffer {
  for (const at of [16, 18, 24]) entry.writeUInt16LE(0x0021, at);
  return entry;
}
