import { randomBytes } from 'node:crypto';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';

import { ownName } from '@imgkit/core/local';

import { onTestFinished } from 'vitest';
import { z } from 'zod';

import type { StagedBlob } from '../src/store/blob-store.ts';
import { LocalStore } from '../src/store/local-store.ts';
import { Records } from '../src/store/records.ts';
import { makeRaw, run, scratch } from './scratch.ts';

/** A store in a directory of its own, closed when the test ends. */
export async function openStore(root?: string): Promise<LocalStore> {
  const store = await LocalStore.open(root ?? join(await scratch(), 'store'));
  onTestFinished(() => store.close());
  return store;
}

/** The simplest records there are. */
export function testRecords(store: LocalStore): Records<{ digest: string }> {
  return new Records(store.catalog, 'test', z.object({ digest: z.string() }));
}

/** Takes a fresh small disk into the store without a record. */
export async function stageRandom(store: LocalStore): Promise<StagedBlob> {
  const path = join(await scratch(), 'raw');
  await makeRaw(path, 2 ** 20, [{ at: 0, length: 65_536 }], randomBytes);
  return store.blobs.stageFile(path);
}

/** Qcow2 files made once, to be staged again and again without running qemu-img each time. */
export async function makeDisks(count: number): Promise<string[]> {
  const directory = await scratch();
  const disks: string[] = [];
  for (let index = 0; index < count; index++) {
    const path = join(directory, `${index}.qcow2`);
    await run('qemu-img', 'create', '-q', '-f', 'qcow2', path, `${index + 1}M`);
    disks.push(path);
  }
  return disks;
}

/** Stages a copy of such a file. */
export async function stageCopy(store: LocalStore, disk: string): Promise<StagedBlob> {
  const path = join(store.layout.tmp, ownName('', '.qcow2'));
  await copyFile(disk, path);
  return store.blobs.seal(path);
}

/** All that is wrong with the store. */
export async function problems(store: LocalStore): Promise<string[]> {
  const found: string[] = [];
  for await (const { kind, path, message } of store.verify())
    found.push(`${kind} ${path}: ${message}`);
  return found;
}

/** Registers a staged disk under a name. */
export function register(store: LocalStore, name: string, staged: StagedBlob): number {
  const records = testRecords(store);
  return store.blobs.commit<number>([staged], () => {
    const doc = { digest: staged.digest };
    const { seq } = records.insert({ project: 'p', name, state: 'READY', doc });
    records.refer(seq, [staged.digest]);
    return seq;
  });
}
