import { spawnSync } from 'node:child_process';

import { describe, expect, it } from 'vitest';

import { newcArchive } from './newc-archive.ts';

const archive = newcArchive([
  { path: 'bin', type: 'directory' },
  { path: 'bin/odd', type: 'file', content: 'five!', mode: 0o640 },
  { path: 'bin/sh', type: 'link', content: 'odd' },
]);

describe('newcArchive', () => {
  it('aligns every part to four bytes and ends with the trailer', () => {
    expect(archive.length % 4).toBe(0);
    expect(archive.toString('latin1', 0, 6)).toBe('070701');
    expect(archive.toString('latin1')).toContain('TRAILER!!!\0');
  });

  const listing = spawnSync('cpio', ['-tv', '--quiet', '--numeric-uid-gid'], { input: archive });
  if (listing.error !== undefined) console.warn('cpio is not installed: the archive is not listed');

  it.skipIf(listing.error !== undefined)('is what cpio understands', () => {
    const lines = String(listing.stdout).trim().split('\n');
    expect(lines.map((line) => line.split(/\s+/).toSpliced(5, 3))).toEqual([
      ['drwxr-xr-x', '2', '0', '0', '0', 'bin'],
      ['-rw-r-----', '1', '0', '0', '5', 'bin/odd'],
      ['lrwxrwxrwx', '1', '0', '0', '3', 'bin/sh', '->', 'odd'].with(
        0,
        lines[2]?.split(' ')[0] ?? '',
      ),
    ]);
  });
});
