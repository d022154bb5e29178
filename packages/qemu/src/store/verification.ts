import { stat } from 'node:fs/promises';

import { throwIfAborted } from '@imgkit/core';
import { checkDisk, type Database } from '@imgkit/core/local';

import { hashFile } from './blob-store.ts';
import { column } from './catalog.ts';
import { blobPath, diskPath, type StoreLayout } from './layout.ts';

/** Something in the store that is not as it must be. */
export interface StoreProblem {
  readonly kind: 'missing-blob' | 'damaged-blob' | 'missing-disk' | 'damaged-catalog';
  /** The file it is about. */
  readonly path: string;
  /** What is wrong. */
  readonly message: string;
  /** Which records it hits, as `kind project/name`. */
  readonly affects: readonly string[];
}

/**
 * Checks the whole store: the database, that every row's file is there, that every blob still has
 * the digest it is named by, and that QEMU finds it sound. Reads every byte. What is merely of no use
 * to anybody, for example what a crash left, is no problem: collecting garbage removes it.
 *
 * @yields Each problem, as soon as it is found.
 */
export async function* verifyStore(
  layout: StoreLayout,
  catalog: Database,
  options: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<StoreProblem, void, undefined> {
  const { signal } = options;
  for (const row of catalog.all('PRAGMA integrity_check')) {
    const message = column(row, 'integrity_check');
    if (message !== 'ok')
      yield { kind: 'damaged-catalog', path: catalog.file, message, affects: [] };
  }
  for (const row of catalog.all('PRAGMA foreign_key_check')) {
    const message = `row ${column(row, 'rowid')} of ${column(row, 'table')} refers to a row that does not exist`;
    yield { kind: 'damaged-catalog', path: catalog.file, message, affects: [] };
  }
  for (const row of catalog.all('SELECT digest, size FROM blobs ORDER BY created_at, digest')) {
    throwIfAborted(signal, 'verifying the store');
    const digest = column(row, 'digest');
    const path = blobPath(layout, digest);
    const found = await checkBlob(path, digest, Number(row['size']), signal);
    // Another process may have collected it since we read the row.
    if (found === undefined || !isRegistered(catalog, digest)) continue;
    yield { ...found, path, affects: affected(catalog, digest) };
  }
  // A name with a dot is that of a disk made with an instance: it lies in the machine's directory.
  const disks = `SELECT seq, project, name FROM records
    WHERE kind = 'disk' AND state = 'READY' AND name NOT GLOB '*.*'`;
  for (const row of catalog.all(disks)) {
    throwIfAborted(signal, 'verifying the store');
    const seq = Number(row['seq']);
    const path = diskPath(layout, seq);
    if ((await exists(path)) || !isRecorded(catalog, seq)) continue;
    const affects = [`disk ${column(row, 'project')}/${column(row, 'name')}`];
    yield { kind: 'missing-disk', path, message: 'the file does not exist', affects };
  }
}

async function checkBlob(
  path: string,
  digest: string,
  size: number,
  signal: AbortSignal | undefined,
): Promise<Pick<StoreProblem, 'kind' | 'message'> | undefined> {
  if (!(await exists(path))) return { kind: 'missing-blob', message: 'the file does not exist' };
  const found = await hashFile(path, signal);
  if (found.size !== size)
    return { kind: 'damaged-blob', message: `it has ${found.size} bytes instead of ${size}` };
  if (found.digest !== digest)
    return { kind: 'damaged-blob', message: `its digest is ${found.digest}` };
  const wrong = await checkDisk(path, { signal });
  return wrong === undefined ? undefined : { kind: 'damaged-blob', message: wrong };
}

function isRegistered(catalog: Database, digest: string): boolean {
  return catalog.one('SELECT 1 FROM blobs WHERE digest = ?', digest) !== undefined;
}

function isRecorded(catalog: Database, seq: number): boolean {
  return catalog.one('SELECT 1 FROM records WHERE seq = ?', seq) !== undefined;
}

function affected(catalog: Database, digest: string): string[] {
  const rows = catalog.all(
    'SELECT kind, project, name FROM records JOIN blob_refs USING (seq) WHERE digest = ?',
    digest,
  );
  return rows.map(
    (row) => `${column(row, 'kind')} ${column(row, 'project')}/${column(row, 'name')}`,
  );
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
