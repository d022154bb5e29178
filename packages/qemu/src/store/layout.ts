import { chmod, mkdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { ImgkitError } from '@imgkit/core';

import { fileError } from '../errors.ts';

/** Where each thing lies below the root of a store. */
export interface StoreLayout {
  readonly root: string;
  /** Immutable qcow2 files, each named by the SHA-256 of its bytes. */
  readonly blobs: string;
  /** Files that are being written; their names say by which process. */
  readonly tmp: string;
  /** Writable disks that belong to no machine. */
  readonly disks: string;
  /** One directory a machine. */
  readonly instances: string;
  /** Base images and what they are made from. */
  readonly bases: string;
  /** Saved machine states. */
  readonly warm: string;
  readonly catalog: string;
}

/** The paths of a store, none of which need exist. */
export function storeLayout(root: string): StoreLayout {
  const path = resolve(root);
  return {
    root: path,
    blobs: join(path, 'blobs'),
    tmp: join(path, 'tmp'),
    disks: join(path, 'disks'),
    instances: join(path, 'instances'),
    bases: join(path, 'bases'),
    warm: join(path, 'warm'),
    catalog: join(path, 'catalog.sqlite'),
  };
}

/** Makes the directories of a store, readable by this user only. */
export async function createLayout(root: string): Promise<StoreLayout> {
  const layout = storeLayout(root);
  try {
    await mkdir(layout.root, { recursive: true, mode: 0o700 });
    const { uid, mode } = await stat(layout.root);
    // The disks of everyone's machines are in here: a directory others can write to is no store.
    if (process.getuid !== undefined && uid !== process.getuid())
      throw new ImgkitError('PERMISSION_DENIED', `${layout.root} belongs to another user`, {
        resource: layout.root,
        hint: 'Use a store of your own.',
      });
    if ((mode & 0o077) !== 0) await chmod(layout.root, 0o700);
    const { blobs, tmp, disks, instances, bases, warm } = layout;
    for (const directory of [blobs, tmp, disks, instances, bases, warm])
      await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fileError(error, layout.root);
  }
  return layout;
}

/** The file of the blob `digest`. */
export function blobPath(layout: StoreLayout, digest: string): string {
  return join(layout.blobs, `${digest}.qcow2`);
}

/** The file of a free-standing disk. It is named by its record's number, which is never used again. */
export function diskPath(layout: StoreLayout, seq: number): string {
  return join(layout.disks, `${seq}.qcow2`);
}
