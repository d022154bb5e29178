import { chmod, truncate } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { makeRaw, run, scratch } from '../../test/scratch.ts';
import { openStore, problems, register, stageRandom } from '../../test/store-fixture.ts';

describe('verify', () => {
  it('finds a blob that is gone, cut off, or changed, and whom it hits', async () => {
    const store = await openStore();
    const digests: string[] = [];
    for (const name of ['gone', 'cut', 'changed', 'sound']) {
      const staged = await stageRandom(store);
      register(store, name, staged);
      digests.push(staged.digest);
    }
    const [gone, cut, changed] = digests.map((digest) => store.blobs.path(digest));
    for (const path of [cut, changed]) await chmod(path ?? '', 0o600);
    await run('rm', '-f', gone ?? '');
    await truncate(cut ?? '', 1000);
    await run(
      'dd',
      `of=${changed}`,
      'if=/dev/urandom',
      'bs=1',
      'seek=100000',
      'count=64',
      'conv=notrunc',
    );
    const found = [];
    for await (const { kind, affects } of store.verify()) found.push([kind, ...affects]);
    expect(found).toEqual([
      ['missing-blob', 'test p/gone'],
      ['damaged-blob', 'test p/cut'],
      ['damaged-blob', 'test p/changed'],
    ]);
  });

  it('finds that a cut off blob is repaired by taking the same disk in again', async () => {
    const store = await openStore();
    const raw = await makeRaw(join(await scratch(), 'raw'), 2 ** 20, [{ at: 0, length: 65_536 }]);
    const staged = await store.blobs.stageFile(raw);
    register(store, 'one', staged);
    await chmod(store.blobs.path(staged.digest), 0o600);
    await truncate(store.blobs.path(staged.digest), 1000);
    register(store, 'two', await store.blobs.stageFile(raw));
    expect(await problems(store)).toEqual([]);
  });
});
