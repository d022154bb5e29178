import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

import { removeLeftover } from './leftover.ts';

it('removes a directory, and nothing through a mount that a killed build left in it', async ({
  skip,
}) => {
  const root = await mkdtemp(join(tmpdir(), 'imgkit-leftover-'));
  try {
    const host = join(root, 'host');
    const left = join(root, 'work', 'root', 'sys');
    await mkdir(host);
    await mkdir(left, { recursive: true });
    await writeFile(join(host, 'precious'), '');
    if (spawnSync('mount', ['--bind', host, left]).status !== 0) skip('it needs leave to mount');
    await removeLeftover(join(root, 'work'));
    expect(existsSync(join(root, 'work'))).toBe(false);
    expect(existsSync(join(host, 'precious'))).toBe(true);
  } finally {
    spawnSync('umount', ['--lazy', join(root, 'work', 'root', 'sys')]);
    await rm(root, { recursive: true, force: true });
  }
});
