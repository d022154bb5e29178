import { rm } from 'node:fs/promises';
import { relative, resolve, sep } from 'node:path';

import { ImgkitError, throwIfAborted } from '@imgkit/core';
import {
  type CallSettings,
  createOverlay,
  currentProcess,
  type Database,
} from '@imgkit/core/local';

import type { BlobStore } from './blob-store.ts';
import type { StoreLayout } from './layout.ts';

/** The writable qcow2 files that read through to a blob: the disks of machines, and free disks. */
export class Overlays {
  readonly #layout: StoreLayout;
  readonly #catalog: Database;
  readonly #blobs: BlobStore;

  constructor(layout: StoreLayout, catalog: Database, blobs: BlobStore) {
    this.#layout = layout;
    this.#catalog = catalog;
    this.#blobs = blobs;
  }

  /**
   * Makes the overlay `path` of the blob `digest`. The claim is written first, so that the blob
   * can't be collected between the two.
   *
   * @param options - `virtualSize` in bytes makes the disk larger than the blob.
   * @throws `NOT_FOUND` when the store has no such blob, `INVALID_ARGUMENT` for a smaller disk.
   */
  async create(
    path: string,
    digest: string,
    options: CallSettings & { readonly virtualSize?: number | undefined } = {},
  ): Promise<void> {
    const { signal, virtualSize } = options;
    throwIfAborted(signal, 'creating the disk');
    const name = this.#name(path);
    const blob = this.#blobs.get(digest);
    if (virtualSize !== undefined && virtualSize < blob.virtualSize)
      throw new ImgkitError(
        'INVALID_ARGUMENT',
        `a disk of ${virtualSize} bytes is too small for its source of ${blob.virtualSize} bytes`,
      );
    this.claim(path, digest);
    try {
      await createOverlay(path, this.#blobs.path(digest), options);
    } catch (error) {
      await rm(path, { force: true });
      this.#catalog.run('DELETE FROM overlays WHERE path = ?', name);
      throw error;
    }
  }

  /** Says that the file `path`, made by other means, reads through to the blob `digest`. */
  claim(path: string, digest: string): void {
    this.#catalog.transaction(() => {
      this.#blobs.get(digest);
      this.#catalog.run(
        `INSERT INTO overlays (path, digest, owner) VALUES (?, ?, ?)
          ON CONFLICT (path) DO UPDATE SET digest = excluded.digest, owner = excluded.owner`,
        this.#name(path),
        digest,
        currentProcess(),
      );
    });
  }

  /** Removes the overlay `path`, its file first; one that isn't there is no error. */
  async remove(path: string): Promise<void> {
    const name = this.#name(path);
    await rm(path, { force: true });
    this.#catalog.run('DELETE FROM overlays WHERE path = ?', name);
  }

  /** Removes the directory `path` with all overlays in it. */
  async removeDirectory(path: string): Promise<void> {
    const name = this.#name(path);
    await rm(path, { recursive: true, force: true });
    const sql = `DELETE FROM overlays WHERE substr(path, 1, length(?1) + 1) = ?1 || '/'`;
    this.#catalog.run(sql, name);
  }

  /** The blob which the overlay `path` reads through to. */
  blobOf(path: string): string | undefined {
    const row = this.#catalog.one('SELECT digest FROM overlays WHERE path = ?', this.#name(path));
    const digest = row?.['digest'];
    return typeof digest === 'string' ? digest : undefined;
  }

  /** The paths are kept relative to the root, so that what a store holds doesn't depend on where it is. */
  #name(path: string): string {
    const name = relative(this.#layout.root, resolve(path));
    if (name === '' || name.startsWith(`..${sep}`) || name === '..')
      throw new ImgkitError('INVALID_ARGUMENT', `${path} is not inside the store`);
    return name;
  }
}
