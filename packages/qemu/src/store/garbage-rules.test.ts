import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { currentProcess, ownName } from '@imgkit/core/local';

import { describe, expect, it } from 'vitest';

import { run } from '../../test/scratch.ts';
import {
  openStore,
  problems,
  register,
  stageRandom,
  testRecords,
} from '../../test/store-fixture.ts';

const dead = currentProcess().replace(/^\d+-\d+/, '999999999-1');

/** The name of a file in tmp that another process made. */
function nameOf(owner: string): string {
  return ownName('', '.qcow2').replace(currentProcess(), owner);
}

describe('garbage', () => {
  it('is what nothing refers to: not blobs of records, of overlays, or of files that name them', async () => {
    const store = await openStore();
    const records = testRecords(store);
    const byRecord = await stageRandom(store);
    register(store, 'kept', byRecord);
    const byOverlay = await stageRandom(store);
    records.delete(register(store, 'used', byOverlay));
    const directory = join(store.layout.instances, 'vm');
    await mkdir(directory);
    await store.overlays.create(join(directory, 'disk.qcow2'), byOverlay.digest);
    // An overlay whose row was lost still protects its blob by naming it.
    const byFile = await stageRandom(store);
    records.delete(register(store, 'lost', byFile));
    const stray = join(directory, 'stray.qcow2');
    const backing = store.blobs.path(byFile.digest);
    await run('qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', backing, stray);
    const byNobody = await stageRandom(store);
    records.delete(register(store, 'unused', byNobody));

    const plan = await store.gc({ dryRun: true });
    expect(plan.map(({ path }) => path)).toEqual([store.blobs.path(byNobody.digest)]);
    expect((await readdir(store.layout.blobs)).length).toBe(4);
    expect(await store.gc()).toEqual(plan);
    expect((await readdir(store.layout.blobs)).length).toBe(3);

    await store.overlays.removeDirectory(directory);
    const rest = await store.gc();
    const paths = [byOverlay, byFile].map(({ digest }) => store.blobs.path(digest));
    expect(rest.map(({ path }) => path).toSorted()).toEqual(paths.toSorted());
    expect(await problems(store)).toEqual([]);
  });

  it('is what dead processes left in tmp, never what a living or unknown one writes', async () => {
    const store = await openStore();
    const foreign = currentProcess().replace(/-\d+$/, '-1');
    const names = {
      mine: ownName(),
      dead: nameOf(dead),
      foreign: nameOf(foreign),
      other: 'readme',
    };
    for (const file of Object.values(names)) await writeFile(join(store.layout.tmp, file), 'x');
    const plan = await store.gc({ dryRun: true });
    expect(plan.map(({ path }) => path)).toEqual([join(store.layout.tmp, names.dead)]);
    await store.gc();
    expect((await readdir(store.layout.tmp)).toSorted()).toEqual(
      [names.mine, names.foreign, names.other].toSorted(),
    );
  });

  it('is a state that a dead process did not save to its end, never one that is whole', async () => {
    const store = await openStore();
    const { warm } = store.layout;
    const half = join(warm, `saving${nameOf(dead)}`);
    for (const path of [half, join(warm, `saving${ownName()}`), join(warm, 'a'.repeat(64))])
      await mkdir(path);
    await writeFile(join(half, 'memory'), 'x');
    expect((await store.gc({ dryRun: true })).map(({ path }) => path)).toEqual([half]);
    await store.gc();
    expect(await readdir(warm)).toHaveLength(2);
  });

  it('is the row of an overlay that a dead process never made, and then its blob', async () => {
    const store = await openStore();
    const staged = await stageRandom(store);
    testRecords(store).delete(register(store, 'one', staged));
    store.overlays.claim(join(store.layout.instances, 'vm', 'disk.qcow2'), staged.digest);
    expect(await store.gc()).toEqual([]);
    store.catalog.run('UPDATE overlays SET owner = ?', dead);
    const plan = await store.gc({ dryRun: true });
    expect(plan.map(({ kind }) => kind)).toEqual(['overlay-row', 'blob']);
    expect(await store.gc()).toEqual(plan);
    expect(await problems(store)).toEqual([]);
  });
});
