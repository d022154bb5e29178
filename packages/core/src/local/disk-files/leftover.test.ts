import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';

import { scratch } from '../../../test/scratch.ts';
import { removeLeftover } from './leftover.ts';
import { currentProcess, ownName, removeAbandoned } from './owned-file.ts';

/** A directory that a killed build has left, with a directory of the host mounted in it where that is allowed. */
async function leftover(name: string) {
  const root = await scratch();
  const host = join(root, 'host');
  const mount = join(root, name, 'root', 'my sys');
  await mkdir(host);
  await mkdir(mount, { recursive: true });
  const precious = join(host, 'precious');
  await writeFile(precious, '');
  const mounted = spawnSync('mount', ['--bind', host, mount]).status === 0;
  onTestFinished(() => void spawnSync('umount', ['--lazy', mount]));
  return { root, path: join(root, name), precious, mounted };
}

describe('removing what a killed build left', () => {
  it('removes a directory, and nothing through a mount in it', async ({ skip }) => {
    const { path, precious, mounted } = await leftover('work');
    if (!mounted) skip('it needs leave to mount');
    await removeLeftover(path);
    expect(existsSync(path)).toBe(false);
    expect(existsSync(precious)).toBe(true);
  });

  it('is not misled by a link on the way there', async ({ skip }) => {
    const { root, path, precious, mounted } = await leftover('work');
    if (!mounted) skip('it needs leave to mount');
    await symlink(root, join(root, 'link'));
    await removeLeftover(join(root, 'link', 'work'));
    expect(existsSync(path)).toBe(false);
    expect(existsSync(precious)).toBe(true);
  });

  it('removes a link, and not what it leads to', async () => {
    const { root, path } = await leftover('work');
    await symlink(path, join(root, 'link'));
    await removeLeftover(join(root, 'link'));
    expect(existsSync(join(root, 'link'))).toBe(false);
    expect(existsSync(path)).toBe(true);
  });

  it('holds for what is known by its name to be of a dead process', async ({ skip }) => {
    const dead = currentProcess().replace(/^\d+-\d+/, '999999999-1');
    const name = ownName('saving').replace(currentProcess(), dead);
    const { root, path, precious, mounted } = await leftover(name);
    if (!mounted) skip('it needs leave to mount');
    await removeAbandoned(root, 'saving');
    expect(existsSync(path)).toBe(false);
    expect(existsSync(precious)).toBe(true);
  });
});
