import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { DatabaseSync, StatementSync } from 'node:sqlite';

// Preloaded into a program, kills it at each thing that it writes down: right before it is on the disk, and, when the program is run again, right after. Each point
// is known by what is written there, and is used once: the program comes to its end when all have been.

const file = process.env['KILL_POINTS'] ?? '';
const used = new Set(existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []);

function kill(point: string): void {
  if (used.has(point)) return;
  appendFileSync(file, `${point}\n`);
  process.kill(process.pid, 'SIGKILL');
}

/** What a statement changes, in some words; nothing for one that only reads, or whose rows come and go with each program. */
function change(sql: string, values: readonly unknown[]): string | undefined {
  const [, verb, table] =
    /^\s*(INSERT|UPDATE|DELETE)(?: OR REPLACE)?(?: INTO| FROM)? (\w+)/u.exec(sql) ?? [];
  if (verb === undefined || table === undefined || ['event', 'executor', 'meta'].includes(table))
    return undefined;
  const [, column = ''] = /SET (\w+)/u.exec(sql) ?? [];
  const [, state = ''] = /state = '(\w+)'/u.exec(sql) ?? [];
  const texts = values.filter((value) => typeof value === 'string');
  const words = table === 'step' ? texts.slice(-1) : texts.filter((text) => isWord.test(text));
  return [verb, table, column, state, ...words].filter((word) => word !== '').join(' ');
}

/** The kind or the state of something; ids and keys differ each time. */
const isWord = /^(?:[A-Z]{4,}|image|instance|disk|published|deprecation)$/u;

const sqlite: { DatabaseSync: typeof DatabaseSync } = createRequire(import.meta.url)('node:sqlite');
// oxlint-disable-next-line typescript/unbound-method -- they are called with their database
const { prepare, exec } = sqlite.DatabaseSync.prototype;
/** What the transaction under way has changed, if one is. */
const transactions = new WeakMap<DatabaseSync, string[]>();

function around<T>(
  database: DatabaseSync,
  sql: string,
  values: readonly unknown[],
  work: () => T,
): T {
  const changes = transactions.get(database);
  const changed = change(sql, values);
  if (sql.startsWith('BEGIN')) transactions.set(database, []);
  else if (sql === 'ROLLBACK') transactions.delete(database);
  else if (changes !== undefined && sql !== 'COMMIT') {
    if (changed !== undefined) changes.push(changed);
  } else {
    const all = sql === 'COMMIT' ? (changes ?? []) : changed === undefined ? [] : [changed];
    if (sql === 'COMMIT') transactions.delete(database);
    const point = [...new Set(all)].join(', ');
    if (point !== '') kill(`before ${point}`);
    const result = work();
    if (point !== '') kill(`after ${point}`);
    return result;
  }
  return work();
}

sqlite.DatabaseSync.prototype.prepare = function prepareWatched(this: DatabaseSync, sql: string) {
  const statement: StatementSync = prepare.call(this, sql);
  for (const method of ['run', 'get', 'all'] as const) {
    const original = statement[method];
    Object.defineProperty(statement, method, {
      value: (...values: never[]) =>
        around(this, sql, values, () => Reflect.apply(original, statement, values)),
    });
  }
  return statement;
};
sqlite.DatabaseSync.prototype.exec = function execWatched(this: DatabaseSync, sql: string) {
  around(this, sql, [], () => exec.call(this, sql));
};
