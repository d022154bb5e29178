/**
 * The journal's tables. Times are milliseconds since the epoch.
 *
 * A root run's `executor` and `generation` are the lease on it and all its children: every write
 * of a run states both, and is refused once another executor has taken the run over.
 */
const tables = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

CREATE TABLE executor (
  id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT NOT NULL,
  heartbeat INTEGER NOT NULL
) STRICT;

CREATE TABLE run (
  id TEXT PRIMARY KEY, root TEXT NOT NULL, parent TEXT, parent_attempt INTEGER NOT NULL,
  workflow TEXT NOT NULL, protocol INTEGER NOT NULL, attempt INTEGER NOT NULL,
  state TEXT NOT NULL, outcome TEXT, cancel TEXT,
  input TEXT, output TEXT, error TEXT,
  label TEXT NOT NULL, keep_on_failure INTEGER NOT NULL, expires_in INTEGER NOT NULL,
  limit_key TEXT, limit_max INTEGER,
  executor TEXT, generation INTEGER NOT NULL,
  created INTEGER NOT NULL, updated INTEGER NOT NULL, finished INTEGER
) STRICT;
CREATE INDEX run_by_root ON run (root);
CREATE INDEX run_by_state ON run (state);
CREATE INDEX run_by_limit ON run (limit_key) WHERE limit_key IS NOT NULL;

CREATE TABLE step (
  run TEXT NOT NULL, attempt INTEGER NOT NULL, name TEXT NOT NULL,
  state TEXT NOT NULL, starts INTEGER NOT NULL, failures INTEGER NOT NULL,
  result TEXT, error TEXT, heartbeat TEXT, due INTEGER,
  started INTEGER NOT NULL, finished INTEGER, unknown INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (run, attempt, name)
) STRICT;

CREATE TABLE ledger (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE,
  root TEXT NOT NULL, run TEXT NOT NULL, step TEXT NOT NULL,
  provider TEXT NOT NULL, kind TEXT NOT NULL, id TEXT, state TEXT NOT NULL,
  keep_on_success INTEGER NOT NULL, labels TEXT NOT NULL, left_reason TEXT,
  created INTEGER NOT NULL
) STRICT;
CREATE INDEX ledger_by_root ON ledger (root);

CREATE TABLE event (
  root TEXT NOT NULL, seq INTEGER NOT NULL, run TEXT NOT NULL, at INTEGER NOT NULL,
  step TEXT, message TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (root, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE signal (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, topic TEXT NOT NULL,
  key TEXT NOT NULL, payload TEXT NOT NULL, taken INTEGER NOT NULL DEFAULT 0,
  UNIQUE (run, topic, key)
) STRICT;
`;

/** What makes each version of the schema of the one before. Journals have been written with all of them: add one, never change one. */
export const migrations: readonly string[] = [tables];
