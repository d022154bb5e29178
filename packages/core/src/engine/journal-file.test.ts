import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from './clock.ts';
import { openJournalFile } from './journal-file.ts';
import { ExecutorTable, leaseMs } from './executor-table.ts';
import { openJournal } from './journal.ts';
import { systemProcesses } from '../local/process-identity.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'imgkit-journal-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);
const openOwn = () => openJournal(directory, systemClock(), systemProcesses);

describe('openJournalFile', () => {
  it('lets only its owner read the journal', async () => {
    const runs = join(directory, 'deep', 'runs');
    const database = await openJournalFile(runs);
    database.run(`INSERT INTO meta (key, value) VALUES ('a', 'b')`);
    expect(modeOf(runs)).toBe('700');
    for (const file of ['journal.db', 'journal.db-wal', 'journal.db-shm']) {
      expect(modeOf(join(runs, file))).toBe('600');
    }
    database.close();
  });

  it('writes through to the disk at each commit', async () => {
    const database = await openJournalFile(directory);
    expect(database.one('PRAGMA synchronous')).toMatchObject({ synchronous: 2 });
    expect(database.one('PRAGMA journal_mode')).toMatchObject({ journal_mode: 'wal' });
    database.close();
  });

  it('undoes a transaction that fails, whole', async () => {
    const database = await openJournalFile(directory);
    const insert = (key: string) =>
      database.run('INSERT INTO meta (key, value) VALUES (?, ?)', key, 'x');
    expect(() =>
      database.transaction(() => {
        insert('a');
        database.transaction(() => insert('b'));
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(database.all('SELECT * FROM meta')).toEqual([]);
    database.transaction(() => insert('c'));
    expect(database.all('SELECT * FROM meta')).toHaveLength(1);
    database.close();
  });

  it('refuses what it can not use, and says so', async () => {
    writeFileSync(join(directory, 'runs'), '');
    await expect(openJournalFile(join(directory, 'runs'))).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
  });

  it('refuses a journal of a newer version', async () => {
    const runs = join(directory, 'runs');
    const database = await openJournalFile(runs);
    database.run('PRAGMA user_version = 99');
    database.close();
    await expect(openJournalFile(join(directory, 'runs'))).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
  });

  it('refuses a file that is no journal', async () => {
    const runs = join(directory, 'runs');
    (await openJournalFile(runs)).close();
    writeFileSync(
      join(runs, 'journal.db'),
      'not a database at all, but long enough to be looked at'.repeat(200),
    );
    rmSync(join(runs, 'journal.db-wal'), { force: true });
    await expect(openJournalFile(join(directory, 'runs'))).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
  });
});

describe('the engine', () => {
  it('does not load SQLite until it is used', async () => {
    const entry = fileURLToPath(new URL('index.ts', import.meta.url));
    const code = `await import(${JSON.stringify(entry)}); console.log(process.moduleLoadList.join())`;
    const flags = ['--no-warnings', '--experimental-strip-types', '--input-type=module'];
    const { stdout } = await promisify(execFile)(process.execPath, [...flags, '-e', code]);
    expect(stdout).toContain('NativeModule');
    expect(stdout).not.toContain('sqlite');
  });
});

describe('a journal', () => {
  it('keeps its owner', async () => {
    const first = await openOwn();
    const second = await openOwn();
    expect(first.owner).toMatch(/^i[0-9a-f]{16}$/);
    expect(second.owner).toBe(first.owner);
    first.database.close();
    second.database.close();
  });

  it('has the owner of the one that was lost', async () => {
    const lost = await openOwn();
    lost.database.close();
    for (const suffix of ['', '-wal', '-shm'])
      rmSync(join(directory, `journal.db${suffix}`), { force: true });
    const next = await openOwn();
    expect(next.owner).toBe(lost.owner);
    next.database.close();
    writeFileSync(join(directory, 'owner'), 'i12');
    const again = await openOwn();
    expect(again.owner).toBe(lost.owner);
    expect(readFileSync(join(directory, 'owner'), 'utf8')).toBe(`${lost.owner}\n`);
    again.database.close();
  });
});

describe('ExecutorTable', () => {
  it('takes one that can not be asked for dead when it is silent for as long as a lease', async () => {
    const database = await openJournalFile(directory);
    let now = 0;
    const clock = { ...systemClock(), now: () => now };
    const elsewhere = { self: () => systemProcesses.self(), isAlive: () => undefined };
    const table = new ExecutorTable(database, clock, elsewhere);
    table.beat();
    now = leaseMs - 1;
    expect(table.isAlive(table.id)).toBe(true);
    now = leaseMs;
    expect(table.isAlive(table.id)).toBe(false);
    table.beat();
    expect(table.isAlive(table.id)).toBe(true);
    expect(table.isAlive('nobody')).toBe(false);
    database.close();
  });
});
