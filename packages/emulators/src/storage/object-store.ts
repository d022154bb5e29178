import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { JsonObject } from '../control-plane/json.ts';
import type { Project } from '../gce/state.ts';
import { checksumsOf, type Checksums } from './checksums.ts';

/** A bucket, and the project that owns it. */
export interface Bucket {
  readonly name: string;
  readonly project: Project;
  readonly location: string;
  /** In ms since 1970. */
  readonly createdAt: number;
}

/** An object in a bucket. Its bytes are a file. */
export interface StoredObject {
  readonly bucket: Bucket;
  readonly name: string;
  /** Where its bytes are on this machine. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  readonly checksums: Checksums;
  readonly contentType: string;
  /** Custom metadata. */
  readonly metadata: JsonObject | undefined;
  /** Grows with every new content. */
  readonly generation: number;
  /** In ms since 1970. */
  readonly createdAt: number;
}

/** What is known of an object when its bytes have come. */
export interface NewObject extends Pick<StoredObject, 'bucket' | 'name' | 'metadata'> {
  readonly contentType: string;
  /** The file with its bytes; it is taken over. */
  readonly file: string;
  readonly size: number;
}

/** The objects of an emulated Cloud Storage, in a directory of their own. */
export interface ObjectStore {
  readonly buckets: Map<string, Bucket>;
  find(bucket: string, name: string): StoredObject | undefined;
  /** The objects of a bucket, by name. */
  list(bucket: string): readonly StoredObject[];
  /** Puts an object in place of what had its name. */
  put(object: NewObject, now: number): Promise<StoredObject>;
  remove(object: StoredObject): Promise<void>;
  /** A path for a new file. */
  newFile(): Promise<string>;
  /** Removes the directory. */
  close(): Promise<void>;
}

function key(bucket: string, name: string): string {
  return `${bucket}/${name}`;
}

export function createObjectStore(): ObjectStore {
  const objects = new Map<string, StoredObject>();
  let directory: Promise<string> | undefined;
  let serial = 0;

  const newFile = async (): Promise<string> => {
    directory ??= mkdtemp(join(tmpdir(), 'imgkit-emulator-'));
    const name = String((serial += 1)); // before the wait: others come meanwhile
    return join(await directory, name);
  };
  return {
    buckets: new Map(),
    find: (bucket, name) => objects.get(key(bucket, name)),
    list: (bucket) =>
      [...objects.values()]
        .filter((object) => object.bucket.name === bucket)
        .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    async put({ file, ...object }, now) {
      const path = await newFile();
      const checksums = await checksumsOf(file);
      await rename(file, path);
      const before = objects.get(key(object.bucket.name, object.name));
      const generation = Math.max(now * 1000, (before?.generation ?? 0) + 1);
      const stored: StoredObject = { ...object, path, checksums, generation, createdAt: now };
      objects.set(key(object.bucket.name, object.name), stored);
      if (before) await rm(before.path, { force: true });
      return stored;
    },
    async remove(object) {
      const known = key(object.bucket.name, object.name);
      if (objects.get(known) === object) objects.delete(known);
      await rm(object.path, { force: true });
    },
    newFile,
    async close() {
      objects.clear();
      if (directory) await rm(await directory, { recursive: true, force: true });
    },
  };
}
