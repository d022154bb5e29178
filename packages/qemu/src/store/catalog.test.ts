import { stat, writeFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';

import type { Database } from '@imgkit/core/local';
import { describe, expect, it } from 'vitest';

import { refusal, scratch } from '../../test/scratch.ts';
import { openStore, testRecords } from '../../test/store-fixture.ts';
import { openCatalog } from './catalog.ts';
import { migrations } from './schema.ts';

async function openAsync(path: string): Promise<Database> {
  return openCatalog(path);
}

describe('the catalog', () => {
  it('is made with this schema, durable settings and for this user only', async () => {
    const path = join(await scratch(), 'catalog.sqlite');
    using catalog = openCatalog(path);
    const pragma = (name: string) => Object.values(catalog.one(`PRAGMA ${name}`) ?? {})[0];
    expect(pragma('user_version')).toBe(migrations.length);
    expect(pragma('journal_mode')).toBe('wal');
    expect(pragma('synchronous')).toBe(2);
    expect(pragma('foreign_keys')).toBe(1);
    catalog.run('CREATE TABLE probe (x)');
    for (const file of [path, `${path}-wal`]) expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('takes a catalog of any earlier version forward', async () => {
    for (let version = 0; version < migrations.length; version++) {
      const path = join(await scratch(), 'catalog.sqlite');
      const database = new DatabaseSync(path);
      for (const migration of migrations.slice(0, version)) database.exec(migration);
      database.exec(`PRAGMA user_version = ${version}`);
      database.close();
      using catalog = openCatalog(path);
      expect(catalog.all('SELECT * FROM overlays')).toEqual([]);
    }
  });

  it('of a newer version is refused and not touched', async () => {
    const path = join(await scratch(), 'catalog.sqlite');
    const database = new DatabaseSync(path);
    database.exec(`PRAGMA user_version = ${migrations.length + 1}`);
    database.close();
    expect(await refusal(openAsync(path))).toMatch(/^FAILED_PRECONDITION: .*version/);
  });

  it('that is no database is refused', async () => {
    const path = join(await scratch(), 'catalog.sqlite');
    await writeFile(path, 'this is not a database at all'.repeat(50));
    expect(await refusal(openAsync(path))).toMatch(/^FAILED_PRECONDITION: .*is damaged/);
  });

  it('writes all of a transaction or nothing, nested ones included', async () => {
    const store = await openStore();
    const records = testRecords(store);
    const insert = (name: string) =>
      records.insert({ project: 'p', name, state: 'READY', doc: { digest: '' } });
    expect(() =>
      store.catalog.transaction(() => {
        insert('one');
        store.catalog.transaction(() => void insert('two'));
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(records.all()).toEqual([]);
    insert('three');
    expect(records.all().map(({ name }) => name)).toEqual(['three']);
  });
});

describe('records', () => {
  it('keep name and key unique in their project', async () => {
    const records = testRecords(await openStore());
    const record = { project: 'p', name: 'a', key: 'k', state: 'READY', doc: { digest: '' } };
    const { seq } = records.insert(record);
    expect(() => records.insert({ ...record, key: 'other' })).toThrow(/p\/a exists already/);
    expect(() => records.insert({ ...record, name: 'other' })).toThrow(/exists already/);
    records.insert({ ...record, project: 'q' });
    expect(records.findByKey('p', 'k')?.seq).toBe(seq);
    expect(records.find('q', 'a')?.seq).not.toBe(seq);
    expect(records.find('r', 'a')).toBeUndefined();
  });

  it('are given page by page, newest first, and change one by one', async () => {
    const records = testRecords(await openStore());
    for (const name of ['a', 'b', 'c', 'd'])
      records.insert({
        project: name === 'b' ? 'q' : 'p',
        name,
        state: 'NEW',
        doc: { digest: '' },
      });
    const page = records.page(undefined, 2, 'p');
    expect(page.map(({ name }) => name)).toEqual(['d', 'c']);
    const after = records.page(page.at(-1)?.seq, 2, 'p');
    expect(after.map(({ name }) => name)).toEqual(['a']);
    const { seq } = records.update(after[0]?.seq ?? 0, { state: 'READY', doc: { digest: 'x' } });
    expect(records.at(seq)).toMatchObject({ state: 'READY', doc: { digest: 'x' }, name: 'a' });
    expect(records.delete(seq)).toBe(true);
    expect(records.delete(seq)).toBe(false);
  });
});
