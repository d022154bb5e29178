import { rmSync } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

import { throwIfAborted } from '@imgkit/core';
import { type Database, liveness, ownerOf, removeLeftover } from '@imgkit/core/local';

import { systemCode } from '../errors.ts';
import { column } from './catalog.ts';
import type { StoreLayout } from './layout.ts';

/** One thing that nothing needs, and why. */
export interface GarbageItem {
  readonly kind: 'blob' | 'temporary-file' | 'overlay-row';
  /** The path of the file; of an overlay's row, that of the file that isn't there. */
  readonly path: string;
  /** The bytes it takes on the disk. */
  readonly bytes: number;
  readonly reason: string;
}

/** How garbage is collected. */
export interface CollectOptions {
  /** Only says what would be removed. */
  readonly dryRun?: boolean | undefined;
  /** Stops it; what was removed by then is gone. */
  readonly signal?: AbortSignal | undefined;
}

const foreignAgeMs = 7 * 24 * 60 * 60 * 1000;
const digestName = /^([\da-f]{64})\.qcow2$/;

/**
 * Removes what no record and no overlay needs, and what dead processes left in `tmp/` and `warm/`.
 *
 * Each thing is judged again under the catalog's write lock just before it goes. A blob's row goes
 * before its file, so that a row never points at a missing file; a crash in between leaves a file
 * that the next call takes. What can't be judged stays.
 *
 * @returns What was removed, or with `dryRun` what would be.
 */
export async function collectGarbage(
  layout: StoreLayout,
  catalog: Database,
  options: CollectOptions = {},
): Promise<readonly GarbageItem[]> {
  const { dryRun = false, signal } = options;
  const removed: GarbageItem[] = [];
  for (const item of [
    ...(await abandonedFiles(layout)),
    ...(await lostOverlays(layout, catalog)),
  ]) {
    throwIfAborted(signal, 'collecting garbage');
    if (!dryRun) await remove(item, layout, catalog);
    removed.push(item);
  }
  const gone = new Set(dryRun ? removed.map(({ path }) => path) : []);
  const held = await backingDigests(layout);
  for (const name of await readdir(layout.blobs)) {
    throwIfAborted(signal, 'collecting garbage');
    const digest = digestName.exec(name)?.[1];
    if (digest === undefined || held.has(digest)) continue;
    const path = join(layout.blobs, name);
    const bytes = await allocated(path);
    if (dryRun ? !isUnused(catalog, layout, digest, gone) : !removeBlob(catalog, path, digest))
      continue;
    removed.push({ kind: 'blob', path, bytes, reason: 'no record and no disk refers to it' });
  }
  return removed;
}

const unusedRow = `DELETE FROM blobs WHERE digest = ?1
  AND NOT EXISTS (SELECT 1 FROM blob_refs WHERE digest = ?1)
  AND NOT EXISTS (SELECT 1 FROM overlays WHERE digest = ?1)`;

function removeBlob(catalog: Database, path: string, digest: string): boolean {
  catalog.run(unusedRow, digest);
  // A second transaction: had both been one, a crash could keep the row and lose the file.
  return catalog.transaction(() => {
    if (catalog.one('SELECT 1 FROM blobs WHERE digest = ?', digest) !== undefined) return false;
    rmSync(path, { force: true });
    return true;
  });
}

function isUnused(
  catalog: Database,
  layout: StoreLayout,
  digest: string,
  gone: ReadonlySet<string>,
): boolean {
  if (catalog.one('SELECT 1 FROM blob_refs WHERE digest = ?', digest) !== undefined) return false;
  const overlays = catalog.all('SELECT path FROM overlays WHERE digest = ?', digest);
  return overlays.every((row) => gone.has(join(layout.root, column(row, 'path'))));
}

async function remove(item: GarbageItem, layout: StoreLayout, catalog: Database): Promise<void> {
  if (item.kind === 'temporary-file') return removeLeftover(item.path);
  const name = item.path.slice(layout.root.length + 1);
  catalog.run('DELETE FROM overlays WHERE path = ?', name);
}

async function abandonedFiles(layout: StoreLayout): Promise<GarbageItem[]> {
  const items: GarbageItem[] = [];
  const states = (await readdir(layout.warm)).filter((name) => ownerOf(name) !== undefined);
  const paths = [
    ...(await readdir(layout.tmp)).map((name) => join(layout.tmp, name)),
    // A machine's state that was not saved to its end.
    ...states.map((name) => join(layout.warm, name)),
  ];
  for (const path of paths) {
    const owner = ownerOf(basename(path));
    const state = owner === undefined ? 'unknown' : liveness(owner);
    const add = async (reason: string): Promise<unknown> =>
      items.push({ kind: 'temporary-file', path, bytes: await allocated(path), reason });
    if (state === 'dead') await add('the process that wrote it has ended');
    else if (state === 'unknown' && (await age(path)) > foreignAgeMs)
      await add('nobody has written to it for a week');
  }
  return items;
}

async function lostOverlays(layout: StoreLayout, catalog: Database): Promise<GarbageItem[]> {
  const items: GarbageItem[] = [];
  for (const row of catalog.all('SELECT path, owner FROM overlays')) {
    const path = join(layout.root, column(row, 'path'));
    if (liveness(column(row, 'owner')) !== 'dead' || (await age(path)) >= 0) continue;
    const reason = 'its file does not exist, and the process that claimed it has ended';
    items.push({ kind: 'overlay-row', path, bytes: 0, reason });
  }
  return items;
}

/**
 * The blobs that files of the store name as their backing file, whatever the catalog says: should
 * rows be lost, the disks of machines are not.
 */
async function backingDigests(layout: StoreLayout): Promise<Set<string>> {
  const digests = new Set<string>();
  for (const directory of [layout.instances, layout.disks, layout.warm, layout.bases]) {
    for await (const path of disksBelow(directory)) {
      const backing = await backingFile(path);
      if (backing === undefined || dirname(resolve(dirname(path), backing)) !== layout.blobs)
        continue;
      const digest = digestName.exec(basename(backing))?.[1];
      if (digest !== undefined) digests.add(digest);
    }
  }
  return digests;
}

// Directories come and go while we look: what is gone needs no blob.
async function* disksBelow(directory: string): AsyncGenerator<string, void, undefined> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  });
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* disksBelow(path);
    else if (entry.name.endsWith('.qcow2')) yield path;
  }
}

/** What the header of the qcow2 file at `path` names as its backing file. */
async function backingFile(path: string): Promise<string | undefined> {
  const file = await open(path, 'r').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    const head = Buffer.alloc(24);
    await file.read(head, 0, head.length, 0);
    const length = head.readUInt32BE(16);
    if (head.toString('latin1', 0, 4) !== 'QFI\xfb' || length === 0 || length > 1023)
      return undefined;
    const name = Buffer.alloc(length);
    await file.read(name, 0, length, Number(head.readBigUInt64BE(8)));
    return name.toString('utf8');
  } finally {
    await file.close();
  }
}

/** Milliseconds since the file was written to; -1 when there is none. */
async function age(path: string): Promise<number> {
  try {
    return Math.max(0, Date.now() - (await stat(path)).mtimeMs);
  } catch (error) {
    // What can't be looked at is taken to be there, and new.
    return systemCode(error) === 'ENOENT' ? -1 : 0;
  }
}

async function allocated(path: string): Promise<number> {
  return stat(path).then(
    ({ blocks }) => blocks * 512,
    () => 0,
  );
}
