import { spawnSync } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { failure, scratch } from '../../../test/scratch.ts';
import { writeAtomically } from './atomic-file.ts';
import { currentProcess, liveness, ownName, ownerOf } from './owned-file.ts';

async function failHalfWay(path: string): Promise<never> {
  await writeFile(path, 'half');
  throw new Error('no more');
}

function deadProcess(): string {
  const { pid } = spawnSync('true');
  return currentProcess().replace(/^\d+-\d+/, `${pid}-1`);
}

describe('writing atomically', () => {
  it('leaves nothing when the writer throws', async () => {
    const directory = await scratch();
    const error = await failure(writeAtomically(join(directory, 'file'), failHalfWay));
    expect(error.message).toMatch(/no more/);
    expect(await readdir(directory)).toEqual([]);
  });

  it('does not replace a file that appeared while it wrote', async () => {
    const directory = await scratch();
    const target = join(directory, 'file');
    const write = async (path: string): Promise<void> => {
      await writeFile(path, 'mine');
      await writeFile(target, 'theirs');
    };
    const error = await failure(writeAtomically(target, write));
    expect(error.code).toBe('ALREADY_EXISTS');
    expect(await readFile(target, 'utf8')).toBe('theirs');
  });

  it('removes what a dead process left for the same target, and nothing else', async () => {
    const directory = await scratch();
    const dead = deadProcess();
    const abandoned = ownName('.file.').replace(currentProcess(), dead);
    const keep = [ownName('.file.'), ownName('.other.').replace(currentProcess(), dead), '.file.x'];
    for (const name of [abandoned, ...keep]) await writeFile(join(directory, name), '');
    await writeAtomically(join(directory, 'file'), (path) => writeFile(path, 'whole'));
    expect((await readdir(directory)).toSorted()).toEqual([...keep, 'file'].toSorted());
  });
});

describe('the identity of a process', () => {
  it('tells the living from the dead, also when the number is used again', () => {
    expect(liveness(currentProcess())).toBe('alive');
    expect(liveness(deadProcess())).toBe('dead');
    const reused = currentProcess().replace(/^(\d+)-\d+/, '$1-1');
    expect(liveness(reused)).toBe('dead');
  });

  it('never judges a process it can not see', () => {
    expect(liveness(currentProcess().replace(/-\d+$/, '-1'))).toBe('unknown');
    expect(liveness('nonsense')).toBe('unknown');
  });

  it('calls everything of an earlier boot dead', () => {
    const [pid, start, , space] = currentProcess().split('-');
    expect(liveness(`${pid}-${start}-${'0'.repeat(12)}-${space}`)).toBe('dead');
  });

  it('is in the names of its files', () => {
    expect(ownerOf(ownName('prefix.', '.qcow2'))).toBe(currentProcess());
    expect(ownerOf('prefix.qcow2')).toBeUndefined();
  });
});
