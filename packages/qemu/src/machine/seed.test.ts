import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fatVolume, type VolumeFile } from './fat.ts';
import { endWaiting, identityBytes } from './identity-record.ts';
import { seedDisk, volumeBytes } from './seed.ts';
import { createHostKey } from './host-key.ts';

/** Reads a FAT12 volume the way a guest does: boot sector, root folder with long names, cluster chains. */
function readVolume(volume: Buffer): { label: string; files: VolumeFile[] } {
  const at = (offset: number): number => volume.readUInt16LE(offset);
  const [perCluster, reservedSectors, copies] = [
    volume.readUInt8(13),
    at(14),
    volume.readUInt8(16),
  ];
  const [entries, perFat] = [at(17), at(22)];
  const fat = volume.subarray(reservedSectors * 512, (reservedSectors + perFat) * 512);
  const root = (reservedSectors + copies * perFat) * 512;
  const data = root + entries * 32;
  const link = (cluster: number): number => {
    const pair = fat.readUInt16LE(Math.floor(cluster * 1.5));
    return cluster % 2 === 0 ? pair & 0xfff : pair >> 4;
  };
  let label = '';
  let long = '';
  const files: VolumeFile[] = [];
  for (let offset = root; volume[offset] !== 0 && offset < data; offset += 32) {
    const attributes = volume.readUInt8(offset + 11);
    if (attributes === 0x0f) {
      const units = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30].map((i) => at(offset + i));
      const end = units.indexOf(0);
      long = String.fromCharCode(...units.slice(0, end === -1 ? 13 : end)) + long;
    } else if (attributes === 0x08) {
      label = volume.toString('latin1', offset, offset + 11).trim();
    } else {
      const pieces: Buffer[] = [];
      let cluster = at(offset + 26);
      while (cluster >= 2 && cluster < 0xff8) {
        const start = data + (cluster - 2) * perCluster * 512;
        pieces.push(volume.subarray(start, start + perCluster * 512));
        cluster = link(cluster);
      }
      const content = Buffer.concat(pieces)
        .subarray(0, volume.readUInt32LE(offset + 28))
        .toString('utf8');
      files.push({ name: long, content });
      long = '';
    }
  }
  return { label, files };
}

const settings = {
  instanceId: 'i-1',
  hostname: 'web-1',
  authorizedKeys: [{ user: 'root', publicKey: 'ssh-ed25519 AAAA me@here' }],
  hostKey: createHostKey(),
};

async function fsck(volume: Buffer): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-fat-'));
  try {
    await writeFile(join(directory, 'volume'), volume);
    const result = spawnSync('fsck.fat', ['-n', '-v', join(directory, 'volume')], {
      encoding: 'utf8',
    });
    return result.status === 0 ? 'clean' : result.stdout + result.stderr;
  } finally {
    await rm(directory, { recursive: true });
  }
}

const hasFsck = spawnSync('fsck.fat', ['--help']).error === undefined;
if (!hasFsck)
  console.log('skipped: checking volumes with fsck.fat, which is not installed (dosfstools)');

describe('fatVolume', () => {
  it('gives every file back, whatever their sizes and names', () => {
    const names = fc.stringMatching(/^[\w.-]{1,40}$/);
    const file = fc.record({
      name: names,
      content: fc.string({ unit: 'grapheme', maxLength: 3000 }),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(file, { maxLength: 8, selector: (f) => f.name }),
        fc.integer({ min: 128, max: 20_000 }),
        (files, sectors) => {
          const volume = fatVolume('CIDATA', files, sectors * 512);
          expect(volume).toHaveLength(sectors * 512);
          expect(readVolume(volume)).toEqual({ label: 'CIDATA', files });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is deterministic', () => {
    const files = [{ name: 'user-data', content: 'x' }];
    expect(fatVolume('A', files, 65_536).equals(fatVolume('A', files, 65_536))).toBe(true);
  });

  it('refuses what does not fit, and names that are none', () => {
    expect(() => fatVolume('A', [{ name: 'big', content: 'x'.repeat(65_536) }], 65_536)).toThrow(
      'does not fit',
    );
    expect(() => fatVolume('A', [{ name: '../x', content: '' }], 65_536)).toThrow(
      'cannot name a file',
    );
  });

  it.skipIf(!hasFsck)('is a file system without faults to fsck', async () => {
    const files = ['meta-data', 'user-data', 'startup-script'].map((name) => ({
      name,
      content: name.repeat(900),
    }));
    expect(await fsck(fatVolume('CIDATA', files, 4 * 1024 * 1024))).toBe('clean');
    expect(await fsck(fatVolume('CIDATA', files, 1440 * 1024))).toBe('clean');
  });
});

describe('seedDisk', () => {
  it('holds the files of NoCloud under their long names', () => {
    const disk = seedDisk(
      { ...settings, startupScript: '#!/bin/sh\n' },
      { nonce: 'n', script: '' },
    );
    const { label, files } = readVolume(disk);
    expect(label).toBe('CIDATA');
    expect(files.map((file) => file.name)).toEqual(['meta-data', 'user-data', 'startup-script']);
    expect(files[0]?.content).toBe('instance-id: "i-1"\nlocal-hostname: web-1\ndsmode: local\n');
  });

  it('holds the identity record in its last blocks, which the volume does not reach', () => {
    const disk = seedDisk(settings, { nonce: 'abc', script: 'echo hello' });
    const record = disk.subarray(disk.length - identityBytes);
    expect(record.toString('utf8', 0, 29)).toBe('imgkit-identity 1 abc 10 0\n\0\0');
    expect(record.toString('utf8', 4096, 4106)).toBe('echo hello');
    expect(disk.readUInt16LE(19) * 512).toBe(disk.length - identityBytes);
  });

  it('is changed in place when a machine was saved, and nothing else of it', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'imgkit-seed-'));
    try {
      const path = join(directory, 'seed.img');
      const before = seedDisk(settings, { nonce: 'abc', script: 'echo hello' });
      await writeFile(path, before);
      await endWaiting(path, volumeBytes);
      await endWaiting(path, volumeBytes);
      const after = await readFile(path);
      expect(after.toString('utf8', volumeBytes, volumeBytes + 29)).toBe(
        'imgkit-identity 1 abc 10 2\n\0\0',
      );
      after.copy(before, volumeBytes, volumeBytes, volumeBytes + 4096);
      expect(after.equals(before)).toBe(true);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('always has the same size, since a resumed machine must find the disk it knew', () => {
    const small = seedDisk(settings, { nonce: 'a', script: '' });
    const large = seedDisk(
      { ...settings, userData: `#!/bin/sh\n#${'x'.repeat(1e6)}` },
      { nonce: 'b', script: 'x' },
    );
    expect(large).toHaveLength(small.length);
  });
});
