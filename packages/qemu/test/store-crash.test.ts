import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { expect, it, onTestFinished } from 'vitest';

import { makeRaw, scratch } from './scratch.ts';
import { openStore, problems, testRecords } from './store-fixture.ts';

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

async function startWriter(root: string, ...args: string[]): Promise<ChildProcess> {
  const options = ['--no-warnings', '--experimental-strip-types', '--conditions=@imgkit/source'];
  const child = spawn(process.execPath, [...options, path('store-writer.ts'), root, ...args], {
    // What is compiled once need not be compiled by the next ones.
    env: { ...process.env, NODE_COMPILE_CACHE: join(dirname(root), 'modules') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error('the writer ended by itself'))),
  ]);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  expect(child.exitCode).toBeNull();
  child.kill('SIGKILL');
  await once(child, 'exit');
}

it('kill -9 at 20 random moments, with another writer at work, never harms the store', async () => {
  const root = join(await scratch(), 'store');
  const directory = await scratch();
  const sources: string[] = [];
  for (let index = 0; index < 4; index++) {
    const data = [{ at: index * 65_536, length: 400_000 }];
    sources.push(await makeRaw(join(directory, `${index}.raw`), 2 ** 22, data));
  }
  const disks = join(directory, 'disks.json');
  await writeFile(disks, JSON.stringify(sources));

  const store = await openStore(root);
  const records = testRecords(store);
  const other = await startWriter(root, disks, 'other');
  for (let round = 0; round < 20; round++) {
    const child = await startWriter(root, disks, `w${round}`);
    await delay(Math.random() * 120);
    await kill(child);
    expect(await problems(store)).toEqual([]);
    await store.gc();
    expect(await problems(store)).toEqual([]);
  }
  await kill(other);

  // A qemu-img of a killed writer may outlive it for a moment and make its file only then.
  const leftInTmp = async (): Promise<string[]> => {
    await store.gc();
    return readdir(store.layout.tmp);
  };
  await expect.poll(leftInTmp, { timeout: 60_000 }).toEqual([]);
  expect(await problems(store)).toEqual([]);
  const all = records.all();
  expect(all.length).toBeGreaterThan(20);
  const overlays = store.catalog
    .all('SELECT digest FROM overlays')
    .map((row) => String(row['digest']));
  const needed = new Set([...all.map(({ doc }) => doc.digest), ...overlays]);
  const files = (await readdir(store.layout.blobs)).map((name) => name.replace('.qcow2', ''));
  expect(files.toSorted()).toEqual([...needed].toSorted());

  for (const { seq } of all) records.delete(seq);
  for (const name of await readdir(store.layout.disks))
    await store.overlays.remove(join(store.layout.disks, name));
  await store.gc();
  expect(await readdir(store.layout.blobs)).toEqual([]);
}, 300_000);

it('many processes can open a new store at the same moment', async () => {
  const root = join(await scratch(), 'store');
  const disks = join(await scratch(), 'disks.json');
  const raw = await makeRaw(join(await scratch(), 'raw'), 2 ** 20, [{ at: 0, length: 4096 }]);
  await writeFile(disks, JSON.stringify([raw]));
  const names = Array.from({ length: 6 }, (_, index) => `w${index}`);
  const writers = await Promise.all(names.map((name) => startWriter(root, disks, name)));
  await Promise.all(writers.map(kill));
  expect(await problems(await openStore(root))).toEqual([]);
}, 180_000);
