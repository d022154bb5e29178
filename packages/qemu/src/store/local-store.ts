import { throwIfAborted } from '@imgkit/core';
import type { Database, FreeSpace } from '@imgkit/core/local';

import { BlobStore } from './blob-store.ts';
import { openCatalog } from './catalog.ts';
import { collectGarbage, type CollectOptions, type GarbageItem } from './garbage.ts';
import { createLayout, type StoreLayout } from './layout.ts';
import { Overlays } from './overlays.ts';
import { verifyStore, type StoreProblem } from './verification.ts';

/** A directory of images and machines, shared safely by any number of processes of one user. */
export class LocalStore implements Disposable {
  readonly layout: StoreLayout;
  readonly catalog: Database;
  readonly blobs: BlobStore;
  readonly overlays: Overlays;

  private constructor(layout: StoreLayout, catalog: Database, freeSpace?: FreeSpace) {
    this.layout = layout;
    this.catalog = catalog;
    this.blobs = new BlobStore(layout, catalog, freeSpace);
    this.overlays = new Overlays(layout, catalog, this.blobs);
  }

  /**
   * Opens the store at `root`, making it if there is none.
   *
   * @throws `PERMISSION_DENIED` when it belongs to another user, `FAILED_PRECONDITION` when a newer
   * version of imgkit made it.
   */
  static async open(
    root: string,
    options: {
      readonly signal?: AbortSignal | undefined;
      readonly freeSpace?: FreeSpace | undefined;
    } = {},
  ): Promise<LocalStore> {
    throwIfAborted(options.signal, 'opening the store');
    const layout = await createLayout(root);
    return new LocalStore(layout, openCatalog(layout.catalog), options.freeSpace);
  }

  /** Removes what nothing needs, see {@link collectGarbage}. */
  async gc(options?: CollectOptions): Promise<readonly GarbageItem[]> {
    return collectGarbage(this.layout, this.catalog, options);
  }

  /** Checks everything, see {@link verifyStore}. */
  verify(options?: { readonly signal?: AbortSignal | undefined }): AsyncIterable<StoreProblem> {
    return verifyStore(this.layout, this.catalog, options);
  }

  /** Closes the catalog. */
  close(): void {
    this.catalog.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
