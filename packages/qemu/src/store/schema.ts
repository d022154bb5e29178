/**
 * The catalog's migrations, in order: number `n` takes a catalog of version `n` to `n + 1`. One that
 * has been released is never changed; a new one is added.
 */
export const migrations: readonly string[] = [
  `
  -- Every file in blobs/ that something may refer to. A row is written after its file stands.
  CREATE TABLE blobs (
    digest        TEXT PRIMARY KEY CHECK (length(digest) = 64),
    size          INTEGER NOT NULL,
    virtual_size  INTEGER NOT NULL,
    created_at    INTEGER NOT NULL
  ) STRICT;

  -- Every resource of the provider; what differs from kind to kind is in doc.
  CREATE TABLE records (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        TEXT NOT NULL,
    project     TEXT NOT NULL,
    name        TEXT NOT NULL,
    key         TEXT,
    state       TEXT NOT NULL,
    owner       TEXT,
    created_at  INTEGER NOT NULL,
    doc         TEXT NOT NULL CHECK (json_valid(doc)),
    UNIQUE (kind, project, name),
    UNIQUE (kind, project, key)
  ) STRICT;

  -- Which record needs which blob. The restriction makes deleting a blob in use impossible.
  CREATE TABLE blob_refs (
    seq     INTEGER NOT NULL REFERENCES records (seq) ON DELETE CASCADE,
    digest  TEXT NOT NULL REFERENCES blobs (digest) ON DELETE RESTRICT,
    PRIMARY KEY (seq, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX blob_refs_by_digest ON blob_refs (digest);

  -- Every qcow2 file that reads through to a blob. A row is written before its file.
  CREATE TABLE overlays (
    path    TEXT PRIMARY KEY,
    digest  TEXT NOT NULL REFERENCES blobs (digest) ON DELETE RESTRICT,
    owner   TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX overlays_by_digest ON overlays (digest);
  `,
];
